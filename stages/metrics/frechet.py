"""The Fréchet distance between two sets of features, each taken for a normal distribution.

Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", equation 6,
after Dowson and Landau 1982. On Inception features the same formula is called FID. Everything is float64.
"""

import torch
from torch import Tensor


def frechet_distance(reference: Tensor, candidate: Tensor) -> float:
    """The Fréchet distance of features [N, F] and [M, F], N and M at least 2; 0 or more, 0 for equal moments.

    It is a squared distance, and biased: it shrinks as N and M grow, so compare it at equal counts only.
    """
    return frechet_distance_of_moments(*moments(reference), *moments(candidate))


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [F] and unbiased covariance (divided by N - 1) [F, F] of features [N, F], float64."""
    rows = features.double()
    return rows.mean(dim=0), torch.cov(rows.T).reshape(rows.shape[1], rows.shape[1])


def frechet_distance_of_moments(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """|mean_1 - mean_2|^2 + tr(cov_1 + cov_2 - 2 (cov_1^(1/2) cov_2 cov_1^(1/2))^(1/2)), float64 [F] and [F, F].

    The last trace is the sum of the square roots of the eigenvalues of that symmetric product, which are the
    singular values of cov_1^(1/2) cov_2^(1/2). These are real whatever the rounding, so nothing complex is dropped,
    and taking them without squaring keeps all digits where covariances are singular: a square root would turn a
    rounding error of 1e-16 into one of 1e-8.
    """
    shift = (mean_1 - mean_2).square().sum()
    overlap = torch.linalg.svdvals(_square_root(cov_1) @ _square_root(cov_2)).sum()
    distance: Tensor = shift + cov_1.trace() + cov_2.trace() - 2 * overlap
    return max(distance.item(), 0.0)  # below 0 by rounding only


def _square_root(covariance: Tensor) -> Tensor:
    """The symmetric square root [F, F]; eigenvalues within rounding of zero, of either sign, count as zero."""
    values, vectors = torch.linalg.eigh(covariance)
    rounding = len(values) * torch.finfo(values.dtype).eps * values[-1]
    roots = torch.where(values > rounding, values, 0).sqrt()
    root: Tensor = (vectors * roots) @ vectors.T
    return root
