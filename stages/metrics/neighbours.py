"""Precision, recall, density and coverage: which samples lie in the balls of whose neighbourhoods.

Precision and recall after Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative
models"; density and coverage after Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative
models". The ball of a sample reaches to its k-th nearest neighbour within its own set, not counting itself. Balls
are closed (distance <= radius), so that repeated samples, whose radius is 0, hold each other. Naeem's code takes
open ones; the two differ where a distance equals a radius only, as for identical sets: density (k + 1) / k, not 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stages.metrics.distances import TILE, by_parts, differences, grid_step, squared_radii, tiles, to_grid
from stages.metrics.resampling import Estimate, Influences, centred, mean_over_candidates, mean_over_references

Radii = dict[tuple[float, int], Tensor]
"""The squared radii of a set's balls, by the step of the grid and k."""


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


def neighbourhoods(
    reference: Tensor, candidate: Tensor, k: int, size: int = TILE, known_radii: Radii | None = None
) -> Neighbourhoods:
    """Compare features [N, F] and [M, F], finite, by balls to the k-th neighbour; k at least 1, below N and M.

    Memory grows with N + M: distances are made a tile of `size` rows and columns at a time, by all cores. Results are
    the same for any tile. known_radii: of this reference, which another comparison with it computed; extended here.
    """
    if not 1 <= k < min(len(reference), len(candidate)):
        raise ValueError(f"k: expected 1 to {min(len(reference), len(candidate)) - 1}, found {k}")
    known_radii = {} if known_radii is None else known_radii
    key = grid_step(reference, candidate), k
    reference, candidate = to_grid(reference, candidate)
    if key not in known_radii:
        known_radii[key] = squared_radii(reference, k, size)
    reference_radii, candidate_radii = known_radii[key], squared_radii(candidate, k, size)
    norms = reference.square().sum(dim=1)

    def lie_in_balls(rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        part, own_radii = candidate[rows], candidate_radii[rows, None]
        own_norms = part.square().sum(dim=1, keepdim=True)
        balls_around = torch.zeros(len(part), dtype=torch.int64)
        covered, recalled = torch.empty(2, len(reference), dtype=torch.bool)
        for columns in tiles(len(reference), size):
            distances = differences(part, reference, norms, columns).add_(own_norms)
            in_reference_ball = distances <= reference_radii[columns]
            balls_around += in_reference_ball.sum(dim=1)
            covered[columns] = in_reference_ball.any(dim=0)
            recalled[columns] = (distances <= own_radii).any(dim=0)
        return balls_around, covered, recalled

    balls_around = []
    covered, recalled = torch.zeros(2, len(reference), dtype=torch.bool)
    for around, covered_by_part, recalled_by_part in by_parts(
        lie_in_balls, len(candidate), size, "balls around images"
    ):
        balls_around.append(around)
        covered |= covered_by_part
        recalled |= recalled_by_part
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
