"""Precision, recall, density and coverage: which samples lie in the balls of whose neighbourhoods.

Precision and recall after Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative
models"; density and coverage after Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative
models". The ball of a sample reaches to its k-th nearest neighbour within its own set, not counting itself. Balls
are closed (distance <= radius), so that repeated samples, whose radius is 0, hold each other. Naeem's code takes
open ones; the two differ where a distance equals a radius only, as for identical sets: density (k + 1) / k, not 1.

Distances are exact. |a|^2 + |b|^2 - 2 a.b is fast, but in floats it puts identical samples at small distances that
depend on the block and on the processor, and ties fall by chance. So the features are first rounded to integers
so small that each product and sum here is an integer below 2^53, which float64 holds exactly in any order.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.metrics.resampling import Estimate, Influences, centred, mean_over_candidates, mean_over_references

BLOCK_ROWS = 256
"""Rows of a distance matrix held at once: 256 x 60,000 float64 are 0.12 GB."""


@dataclass(frozen=True)
class Neighbourhoods:
    """How candidates [M] lie in the balls of the references [N], and references in those of the candidates.

    balls_around: int64 [M], the number of references whose ball holds the candidate;
    covered: bool [N], whether the reference's own ball holds any candidate;
    recalled: bool [N], whether any candidate's ball holds the reference.
    """

    balls_around: Tensor
    covered: Tensor
    recalled: Tensor
    k: int

    @property
    def inside(self) -> Tensor:
        """Whether a candidate lies in any reference's ball, bool [M]."""
        return self.balls_around > 0


def neighbourhoods(reference: Tensor, candidate: Tensor, k: int, block_rows: int = BLOCK_ROWS) -> Neighbourhoods:
    """Compare features [N, F] and [M, F], finite, by balls to the k-th neighbour; k at least 1, below N and M.

    Memory grows with N + M: distances are made a block of rows at a time. Results are the same for any block.
    """
    if not 1 <= k < min(len(reference), len(candidate)):
        raise ValueError(f"k: expected 1 to {min(len(reference), len(candidate)) - 1}, found {k}")
    reference, candidate = to_grid(reference, candidate)
    reference_radii = squared_radii(reference, k, block_rows)
    candidate_radii = squared_radii(candidate, k, block_rows)
    balls_around = []
    covered, recalled = torch.zeros(2, len(reference), dtype=torch.bool)
    for start in range(0, len(candidate), block_rows):
        rows = slice(start, start + block_rows)
        distances = squared_distances(candidate[rows], reference)
        in_reference_ball = distances <= reference_radii
        balls_around.append(in_reference_ball.sum(dim=1))
        covered |= in_reference_ball.any(dim=0)
        recalled |= (distances <= candidate_radii[rows, None]).any(dim=0)
    return Neighbourhoods(torch.cat(balls_around), covered, recalled, k)


def precision(sets: Neighbourhoods) -> Estimate:
    """The share of candidates that lie in some reference's ball, in [0, 1]. Kynkäänniemi et al. 2019, equation 2."""
    return mean_over_candidates(sets.inside)


def recall(sets: Neighbourhoods) -> Estimate:
    """The share of references that lie in some candidate's ball, in [0, 1]. Kynkäänniemi et al. 2019, equation 2."""
    return mean_over_references(sets.recalled)


def density(sets: Neighbourhoods) -> Estimate:
    """The mean number of references' balls around a candidate, over k; 0 or more. Naeem et al. 2020, section 3."""
    value = sets.balls_around.double().mean().item() / sets.k
    return Estimate(value, Influences(candidate=centred(sets.balls_around / sets.k)))


def coverage(sets: Neighbourhoods) -> Estimate:
    """The share of references whose ball holds a candidate, in [0, 1]. Naeem et al. 2020, section 3."""
    return mean_over_references(sets.covered)


def to_grid(*sets: Tensor) -> list[Tensor]:
    """Features [*, F] on one common grid: float64 that hold integers of at most 2^b, for squared_distances.

    b is the most with 4 F 2^(2b) <= 2^53, the bound of |a|^2 + |b|^2 + 2 |a.b|: 22 bits for 128 features.
    """
    step = grid_step(*sets)
    return [(features.double() / step).round() for features in sets]


def grid_step(*sets: Tensor) -> float:
    """The step of that grid, a power of two, at most 2^(1-b) of the largest feature: near the precision of float32."""
    largest = max(features.abs().max().item() for features in sets)
    bits = (51 - math.ceil(math.log2(sets[0].shape[1]))) // 2
    exponent = math.frexp(largest)[1]  # largest < 2^exponent
    return 2.0 ** (exponent - bits)


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2 [rows of a, rows of b], exact, of features from to_grid."""
    return torch.addmm(b.square().sum(dim=1), a, b.T, alpha=-2).add_(a.square().sum(dim=1, keepdim=True))


def squared_radii(features: Tensor, k: int, block_rows: int = BLOCK_ROWS) -> Tensor:
    """The squared distance of each row of features [N, F] from to_grid to its k-th nearest other row, [N]."""
    radii = []
    for start in range(0, len(features), block_rows):
        distances = squared_distances(features[start : start + block_rows], features)
        # A row's distance to itself is the least, 0: it takes the first of k + 1 places.
        radii.append(distances.topk(k + 1, dim=1, largest=False).values[:, k])
    return torch.cat(radii)
