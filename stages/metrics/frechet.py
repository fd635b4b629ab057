"""The Fréchet distance between two sets of features, each taken as a normal distribution.

Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", equation 6,
after Dowson and Landau 1982. On Inception features the same formula is called FID. Everything is float64.
"""

import torch
from torch import Tensor

from stages.common import draws
from stages.metrics.resampling import Estimate, Influences

PARTS = (1, 2, 3, 4, 5)
"""The numbers of parts that candidates are split into for the extrapolation: down to 2,000 of 10,000 in a part."""


def frechet_distance(reference: Tensor, candidate: Tensor) -> float:
    """The Fréchet distance of features [N, F] and [M, F], N and M at least 2; 0 or more, 0 for equal moments.

    It is a squared distance, and biased: it shrinks as N and M grow, so compare it at equal counts only.
    """
    return frechet_distance_of_moments(*moments(reference), *moments(candidate))


def frechet_estimate(reference: Tensor, candidate: Tensor) -> Estimate:
    """The Fréchet distance of features [N, F] and [M, F] with the influence of each image.

    The standard error errs on the large side, up to a factor of about sqrt(2), where the two sources agree.
    """
    value, of_candidate, of_reference = _with_influences(reference, candidate)
    return Estimate(value, Influences(of_candidate, of_reference))


def frechet_infinity(reference: Tensor, candidate: Tensor, seed: int) -> Estimate:
    """The Fréchet distance of features [N, F] and [M, F] for infinitely many candidates; M as least_for_infinity says.

    Chong and Forsyth 2020, "Effectively unbiased FID and Inception Score and where to find them": the distance grows
    with 1/M in a line, whose value at 0 is taken. Here the candidates are split, in a drawn order, into 1 to 5 equal
    parts, so that every size uses each of them once, and the distances of equal parts are averaged. As in the paper
    the reference stays as it is: the bias of its own count remains, in the floor too. May fall below 0 by chance.
    """
    sizes = torch.tensor(PARTS, dtype=torch.float64) / len(candidate)  # 1 / images of a part
    offsets = sizes - sizes.mean()
    # The value at 0 of the line of least squares, as a weighted sum of the distances.
    weights = 1 / len(PARTS) - sizes.mean() * offsets / offsets.square().sum()
    value = 0.0
    of_candidate, of_reference = (torch.zeros(len(rows), dtype=torch.float64) for rows in (candidate, reference))
    for parts, weight in zip(PARTS, weights.tolist(), strict=True):
        order = draws.permutation(seed, "evaluate.fd_infinity", parts, len(candidate))
        for rows in order.tensor_split(parts):
            distance, of_rows, of_all = _with_influences(reference, candidate[rows])
            value += weight * distance / parts
            of_candidate[rows] += weight * of_rows * len(candidate) / (len(rows) * parts)
            of_reference += weight * of_all / parts
    return Estimate(value, Influences(of_candidate, of_reference))


def least_for_infinity(num_features: int) -> int:
    """How many candidates frechet_infinity needs: in its smallest part more than features, or there is no line."""
    return max(PARTS) * (num_features + 1)


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and unbiased covariance (divided by N - 1) [F, F] of features [N, F], float64."""
    rows = features.double()
    return rows.mean(dim=0), torch.cov(rows.T).reshape(rows.shape[1], rows.shape[1])


def frechet_distance_of_moments(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """|mean_1 - mean_2|^2 + tr(cov_1 + cov_2 - 2 (cov_1^(1/2) cov_2 cov_1^(1/2))^(1/2)), float64 [F] and [F, F].

    The last trace is the sum of the square roots of the eigenvalues of that symmetric product, which are the
    singular values of cov_1^(1/2) cov_2^(1/2). These are real for any rounding, so nothing complex is dropped,
    and taking them without squaring keeps all digits where covariances are singular: a square root would turn a
    rounding error of 1e-16 into one of 1e-8.
    """
    shift = (mean_1 - mean_2).square().sum()
    overlap = torch.linalg.svdvals(_square_root(cov_1) @ _square_root(cov_2)).sum()
    distance: Tensor = shift + cov_1.trace() + cov_2.trace() - 2 * overlap
    return max(distance.item(), 0.0)  # below 0 by rounding only


def _with_influences(reference: Tensor, candidate: Tensor) -> tuple[float, Tensor, Tensor]:
    """The distance, and the influences on it of the candidates [M] and of the references [N]."""
    of_reference, of_candidate = moments(reference), moments(candidate)
    value = frechet_distance_of_moments(*of_reference, *of_candidate)
    return (
        value,
        _influences(candidate.double(), *of_candidate, *of_reference),
        _influences(reference.double(), *of_reference, *of_candidate),
    )


def _influences(rows: Tensor, mean: Tensor, cov: Tensor, other_mean: Tensor, other_cov: Tensor) -> Tensor:
    """The influence [N] of each of rows float64 [N, F], whose moments are mean and cov, on the distance to the other.

    The gradient is 2 (mean - other_mean) for the mean and 1 - T for the covariance, T = S (S cov S)^(-1/2) S with
    S = other_cov^(1/2): the map of optimal transport. Directions without variance count for nothing.
    """
    root = _square_root(other_cov)
    values, vectors = torch.linalg.eigh(root @ cov @ root)
    rounding = len(values) * torch.finfo(values.dtype).eps * values[-1]
    inverse_roots = torch.where(values > rounding, values, torch.inf).rsqrt()
    half_map = root @ vectors * inverse_roots.sqrt()
    offsets = rows - mean
    squares = offsets.square().sum(dim=1) - (offsets @ half_map).square().sum(dim=1)
    influences = 2 * offsets @ (mean - other_mean) + squares * len(rows) / (len(rows) - 1)
    return influences - influences.mean()


def _square_root(covariance: Tensor) -> Tensor:
    """The symmetric square root [F, F]; eigenvalues within rounding of zero, of either sign, count as zero."""
    values, vectors = torch.linalg.eigh(covariance)
    rounding = len(values) * torch.finfo(values.dtype).eps * values[-1]
    roots = torch.where(values > rounding, values, 0).sqrt()
    root: Tensor = (vectors * roots) @ vectors.T
    return root
