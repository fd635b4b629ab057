"""The squared maximum mean discrepancy (MMD) between two sets of features, with KID's kernel, over all samples.

Binkowski et al. 2018, "Demystifying MMD GANs", section 4: k(x, y) = (x.y / F + 1)^3 and the unbiased estimator of
Gretton et al. 2012. KID as usually run averages it over random subsets of 1,000; here every pair counts once, so
that nothing is drawn and the estimate is the best that the samples allow.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stages.common.blocks import in_order
from stages.common.cores import available_cores
from stages.metrics.resampling import Estimate, Influences

BLOCK_ROWS = 512
BLOCK_COLUMNS = 16_384
"""Of a kernel matrix, held at once by each thread: 64 MiB in float64. Constants, for sums depend on them."""
MOST_THREADS = 4
"""That many blocks are held at once."""
DESCRIPTION = "sums of kernels"


@dataclass(frozen=True)
class KernelSums:
    """Sums over kernel matrices: each sample's sum over the others of its set, and over the other set; float64.

    within_x, across_x: [N], within_y, across_y: [M].
    """

    within_x: Tensor
    within_y: Tensor
    across_x: Tensor
    across_y: Tensor


def kernel_distance(x: Tensor, y: Tensor, block_rows: int = BLOCK_ROWS, within_x: Tensor | None = None) -> Estimate:
    """The unbiased MMD^2 of references x [N, F] and candidates y [M, F], N and M at least 3.

    It falls slightly below 0, by chance, for equal sources.

    The standard error is the jackknife's: the spread of the estimates that leave out one sample of x or of y
    (Arvesen 1969), which the kernel sums give exactly and without another pass. It covers the draw of both sets. It
    errs on the large side, up to a factor of about sqrt(2) where the two sources agree (Efron and Stein 1981).

    Unbiased means for independent draws. Samples with classes balanced by design hold fewer pairs of one class than
    such draws would, which lowers the value by a term that falls as 1/N, and which the standard error leaves out.

    within_x: sums_within(x.double()), if another comparison with x has computed it.
    """
    sums = kernel_sums(x.double(), y.double(), block_rows, within_x)
    without_x, without_y = leave_one_out(sums)
    influences = Influences(reference=_jackknifed(without_x), candidate=_jackknifed(without_y))
    return Estimate(_mmd2(sums).item(), influences)


def kernel_sums(x: Tensor, y: Tensor, block_rows: int = BLOCK_ROWS, within_x: Tensor | None = None) -> KernelSums:
    """The sums of the three kernel matrices of x float64 [N, F] and y float64 [M, F], a block at a time."""

    def block(start: int) -> tuple[Tensor, Tensor]:
        rows, of_rows, of_columns = x[start : start + block_rows], [], []
        for columns in y.split(BLOCK_COLUMNS):
            kernel = _cubic(rows, columns)
            of_rows.append(kernel.sum(dim=1))
            of_columns.append(kernel.sum(dim=0))
        return sum(of_rows[1:], of_rows[0]), torch.cat(of_columns)

    across_x, across_y = [], torch.zeros(len(y), dtype=torch.float64)
    for of_rows, of_columns in in_order(block, range(0, len(x), block_rows), _threads(), DESCRIPTION):
        across_x.append(of_rows)
        across_y += of_columns
    within_x = sums_within(x, block_rows) if within_x is None else within_x
    return KernelSums(within_x, sums_within(y, block_rows), torch.cat(across_x), across_y)


def sums_within(x: Tensor, block_rows: int = BLOCK_ROWS) -> Tensor:
    """The sum [N] of the kernel of each row of x float64 [N, F] with the others."""

    def block(start: int) -> tuple[Tensor, Tensor]:
        rows, of_rows, of_columns = x[start : start + block_rows], [], []
        # The matrix is symmetric: its upper half is enough.
        for number, columns in enumerate(x[start:].split(BLOCK_COLUMNS)):
            kernel = _cubic(rows, columns)
            if number == 0:
                kernel.diagonal().zero_()  # unbiased: no sample is paired with itself
            of_rows.append(kernel.sum(dim=1))
            of_columns.append(kernel[:, block_rows if number == 0 else 0 :].sum(dim=0))
        return sum(of_rows[1:], of_rows[0]), torch.cat(of_columns)

    sums = torch.zeros(len(x), dtype=torch.float64)
    starts = range(0, len(x), block_rows)
    for start, (of_rows, of_columns) in zip(starts, in_order(block, starts, _threads(), DESCRIPTION), strict=True):
        sums[start : start + block_rows] += of_rows
        sums[start + block_rows :] += of_columns
    return sums


def leave_one_out(sums: KernelSums) -> tuple[Tensor, Tensor]:
    """MMD^2 without sample i, for each i of x [N] and each i of y [M].

    Leaving out x_i takes 2 within_x[i] from the sum over ordered pairs of x and across_x[i] from that over (x, y).
    """
    n, m = len(sums.within_x), len(sums.within_y)
    xx, yy, xy = sums.within_x.sum(), sums.within_y.sum(), sums.across_x.sum()
    without_x = (xx - 2 * sums.within_x) / ((n - 1) * (n - 2)) - 2 * (xy - sums.across_x) / ((n - 1) * m)
    without_y = (yy - 2 * sums.within_y) / ((m - 1) * (m - 2)) - 2 * (xy - sums.across_y) / (n * (m - 1))
    return without_x + yy / (m * (m - 1)), without_y + xx / (n * (n - 1))


def _mmd2(sums: KernelSums) -> Tensor:
    """Gretton et al. 2012, equation 3: the mean over pairs within x, plus within y, minus twice that across."""
    n, m = len(sums.within_x), len(sums.within_y)
    within = sums.within_x.sum() / (n * (n - 1)) + sums.within_y.sum() / (m * (m - 1))
    return within - 2 * sums.across_x.sum() / (n * m)


def _threads() -> int:
    return min(MOST_THREADS, available_cores())


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)  # [rows of x, rows of y]


def _jackknifed(without: Tensor) -> Tensor:
    """Influences [N] from the figures that leave out one image each [N]."""
    return (len(without) - 1) * (without.mean() - without)
