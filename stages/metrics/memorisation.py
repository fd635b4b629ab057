"""Are the samples copies of training digits? The test digits, which nobody could copy, are the yardstick.

Everything rests on the distance of an image to its nearest training digit, exact as in distances.py. Meehan,
Chaudhuri and Dasgupta 2020, "A non-parametric test to detect data-copying in generative models", and Alaa et al.
2022, "How faithful is your synthetic data? Sample-level metrics for evaluating and auditing generative models".
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.metrics.distances import TILE, by_parts, differences, grid_step, tiles, to_grid
from stages.metrics.resampling import Estimate, mean_over_candidates

LEAST_IN_CELL = 8
"""With fewer samples or test digits in a cell, the normal law of the rank sum is too rough."""
NEAR_PERCENT = 1
"""Which percentile of the test digits' distances to the training digits counts as near."""


@dataclass(frozen=True)
class Closeness:
    """How images [M] lie to the training digits, as squared distances on one grid: integers in float64, exact.

    nearest: [M], from each image to its nearest training digit; rows: int64 [M], which digit that is (the first of
    equals); spacing: [M], from that digit to the training digit nearest to it; step: of the grid, in features.
    """

    nearest: Tensor
    rows: Tensor
    spacing: Tensor
    step: float

    def select(self, chosen: Tensor) -> "Closeness":
        """The images of these row numbers."""
        return Closeness(self.nearest[chosen], self.rows[chosen], self.spacing[chosen], self.step)

    @property
    def distances(self) -> Tensor:
        """From each image to its nearest training digit, in features, float64 [M]."""
        return self.nearest.sqrt() * self.step

    @property
    def authentic(self) -> Tensor:
        """Whether an image is farther from its nearest training digit than that is from the others, bool [M].

        Authenticity after Alaa et al. 2022. Code in circulation looks the spacing up by the sample of a training digit,
        not by the training digit of a sample; this does not.
        """
        return self.nearest > self.spacing


@dataclass(frozen=True)
class CopyTest:
    """C_T, its standard deviation for samples that are no copies, and the statistic of each cell (None: too few)."""

    value: float
    null_deviation: float
    cells: list[float | None]


def closeness(training: Tensor, *sets: Tensor, size: int = TILE) -> list[Closeness]:
    """How each of the sets of features [*, F] lies to those of training [T, F], T at least 2; a tile at a time."""
    step = grid_step(training, *sets)
    on_grid, *sets_on_grid = to_grid(training, *sets)
    neighbours = [nearest_rows(features, on_grid, size) for features in sets_on_grid]
    # The spacing is needed only of training digits that are nearest to something.
    needed = torch.cat([rows for _, rows in neighbours]).unique()
    spacing = torch.full((len(training),), math.nan, dtype=torch.float64)
    spacing[needed] = nearest_others(needed, on_grid, size)
    return [Closeness(nearest, rows, spacing[rows], step) for nearest, rows in neighbours]


def authenticity(candidate: Closeness) -> Estimate:
    """The share of candidates that are authentic, in [0, 1]; 0 if all are copies. Alaa et al. 2022."""
    return mean_over_candidates(candidate.authentic)


def near_training(candidate: Closeness, reference: Closeness) -> Estimate:
    """The share of candidates nearer to a training digit than NEAR_PERCENT of the references are, in [0, 1]."""
    return mean_over_candidates(candidate.nearest < near_limit(reference))


def near_limit(reference: Closeness) -> float:
    """The squared distance below which an image is near to a training digit, as NEAR_PERCENT of the references are."""
    return percentiles(reference.nearest, (NEAR_PERCENT,))[0]


def percentiles(values: Tensor, percents: tuple[float, ...]) -> list[float]:
    """Percentiles of values [N], without interpolation: each is one of the values."""
    ordered = values.sort().values
    return [ordered[round(percent / 100 * (len(ordered) - 1))].item() for percent in percents]


def three_sample_test(
    candidate: Closeness, reference: Closeness, candidate_cells: Tensor, reference_cells: Tensor, num_cells: int
) -> CopyTest | None:
    """C_T: far below 0 if candidates lie nearer to the training digits than test digits do, far above if farther.

    After Meehan et al. 2020: the mean over cells of the rank-sum statistics, weighted by the test digits of each.
    Cells are int64 [M] and [N]: here the recognised classes take the place of the paper's k-means, and the nearest
    training digit may lie in any cell. A cell with fewer than LEAST_IN_CELL of either set does not count; None if
    none does. Each statistic has variance 1 for samples that are no copies, and they are independent.
    """
    statistics: list[float | None] = []
    weights = []
    for cell in range(num_cells):
        samples = candidate.nearest[candidate_cells == cell]
        digits = reference.nearest[reference_cells == cell]
        enough = min(len(samples), len(digits)) >= LEAST_IN_CELL
        statistics.append(rank_sum_statistic(samples, digits) if enough else None)
        weights.append(len(digits) if enough else 0)
    if not any(weights):
        return None
    shares = [weight / sum(weights) for weight in weights]
    value = sum(share * (statistic or 0.0) for share, statistic in zip(shares, statistics, strict=True))
    return CopyTest(value, math.sqrt(sum(share**2 for share in shares)), statistics)


def rank_sum_statistic(x: Tensor, y: Tensor) -> float:
    """The standardised statistic of Mann and Whitney 1947 of x [N] and y [M]: below 0 if x tend to be smaller.

    Ties count half, and the variance is corrected for them; 0 if all values are equal.
    """
    n, m = len(x), len(y)
    _, index, repeats = torch.cat([x, y]).unique(return_inverse=True, return_counts=True)
    ranks = repeats.cumsum(0) - (repeats - 1) / 2  # the mean rank of equal values
    wins = ranks.double()[index[:n]].sum().item() - n * (n + 1) / 2
    ties = (repeats.double() ** 3 - repeats).sum().item()
    variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    return (wins - n * m / 2) / math.sqrt(variance) if variance > 0 else 0.0


def nearest_rows(rows: Tensor, training: Tensor, size: int = TILE) -> tuple[Tensor, Tensor]:
    """The squared distance of each row [N, F] to its nearest of training [T, F], both from to_grid; and its row.

    A minimum without its place is computed several times faster: the place is searched in the winning tile alone.
    """
    norms, columns = training.square().sum(dim=1), tiles(len(training), size)

    def nearest(chosen: slice) -> tuple[Tensor, Tensor]:
        part = rows[chosen]
        minima = [differences(part, training, norms, tile).amin(dim=1) for tile in columns]
        minimum, winner = torch.stack(minima).min(dim=0)
        place = torch.empty_like(winner)
        for number in winner.unique().tolist():
            won = (winner == number).nonzero().squeeze(1)
            inside = differences(part[won], training, norms, columns[number])
            place[won] = (inside == minimum[won, None]).int().argmax(dim=1) + number * size  # the first of equals
        return minimum + part.square().sum(dim=1), place

    distances, places = zip(*by_parts(nearest, len(rows), size, "distances to the training images"), strict=True)
    return torch.cat(distances), torch.cat(places)


def nearest_others(chosen: Tensor, training: Tensor, size: int = TILE) -> Tensor:
    """The squared distance of each of training[chosen] to the nearest other row of training [T, F] from to_grid."""
    norms, columns = training.square().sum(dim=1), tiles(len(training), size)

    def nearest(part: slice) -> Tensor:
        numbers, minima = chosen[part], []
        for tile in columns:
            distances = differences(training[numbers], training, norms, tile)
            own = ((numbers >= tile.start) & (numbers < tile.stop)).nonzero().squeeze(1)
            distances[own, numbers[own] - tile.start] = math.inf
            minima.append(distances.amin(dim=1))
        return torch.stack(minima).amin(dim=0) + norms[numbers]

    return torch.cat(list(by_parts(nearest, len(chosen), size, "distances between training images")))
