"""Distances to training digits, C_T and authenticity against their definitions; what C_T says by chance."""

import math
from collections.abc import Callable

import pytest
import scipy  # loads scipy.stats when it is used
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics.distances import to_grid
from stages.metrics.memorisation import (
    Closeness,
    CopyTest,
    closeness,
    nearest_others,
    nearest_rows,
    rank_sum_statistic,
    three_sample_test,
)

F = 4


def normal(purpose: str, rows: int, index: int = 0) -> Tensor:
    return draws.normal(0, purpose, index, (rows, F))


def with_ties(purpose: str, rows: int) -> Tensor:
    """Points of a 3 x 3 x 3 x 3 lattice: many are repeated, many distances equal."""
    return draws.integers(0, purpose, 0, 3, (rows, F)).float()


@pytest.mark.parametrize("make", [normal, with_ties])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_nearest_agrees_with_all_distances(make: Callable[[str, int], Tensor], block: int) -> None:
    """Also which digit it is: the first of equals, for any block."""
    rows, training = to_grid(make("rows", 30), make("training", 50))
    distances = (rows[:, None] - training).square().sum(dim=2)  # of integers: exact
    nearest, places = nearest_rows(rows, training, block)
    assert nearest.equal(distances.amin(dim=1))
    assert places.tolist() == [row.index(min(row)) for row in distances.tolist()]


@pytest.mark.parametrize("make", [normal, with_ties])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_spacing_leaves_out_the_digit_itself_and_no_copy_of_it(make: Callable[[str, int], Tensor], block: int) -> None:
    training = to_grid(make("training", 50))[0]
    distances = (training[:, None] - training).square().sum(dim=2)
    distances.fill_diagonal_(math.inf)
    chosen = torch.tensor([3, 49, 0, 17])
    assert nearest_others(chosen, training, block).equal(distances.amin(dim=1)[chosen])


def test_distances_are_those_of_the_features() -> None:
    training, samples = normal("training", 60), normal("samples", 20)
    actual = closeness(training, samples)[0]
    expected, places = torch.cdist(samples.double(), training.double()).min(dim=1)
    torch.testing.assert_close(actual.distances, expected, rtol=1e-5, atol=1e-5)
    assert actual.rows.equal(places)


def test_authenticity_agrees_with_its_definition() -> None:
    """Alaa et al. 2022, a pair at a time: an image is no copy if farther from its nearest than that from the others."""
    training, samples = normal("training", 40), 1.2 * normal("samples", 60)
    t, s = training.tolist(), samples.tolist()
    expected = []
    for sample in s:
        nearest = min(range(len(t)), key=lambda i: math.dist(sample, t[i]))
        spacing = min(math.dist(t[nearest], other) for i, other in enumerate(t) if i != nearest)
        expected.append(math.dist(sample, t[nearest]) > spacing)
    assert closeness(training, samples)[0].authentic.tolist() == expected
    assert 0.1 < sum(expected) / len(expected) < 0.9


def test_copies_are_not_authentic_even_of_repeated_training_digits() -> None:
    training = torch.cat([normal("training", 20), normal("training", 20)])
    assert not closeness(training, training[:5])[0].authentic.any()


def test_closeness_of_several_sets_is_that_of_each() -> None:
    training, first, second = normal("training", 40), normal("one", 10), normal("two", 15)
    together = closeness(training, first, second)
    for actual, alone in zip(together, (closeness(training, first)[0], closeness(training, second)[0]), strict=True):
        assert actual.authentic.equal(alone.authentic)
        torch.testing.assert_close(actual.distances, alone.distances, rtol=1e-4, atol=1e-5)
    chosen = together[1].select(torch.tensor([4, 2]))
    assert chosen.distances.equal(together[1].distances[[4, 2]])
    assert chosen.spacing.equal(together[1].spacing[[4, 2]])


def test_no_tensor_outgrows_a_block(largest_tensor: Callable[[Callable[[], object]], int]) -> None:
    rows, training = to_grid(normal("rows", 300), normal("training", 500))
    assert largest_tensor(lambda: nearest_rows(rows, training, 50)) == 50 * 50
    assert largest_tensor(lambda: nearest_others(torch.arange(300), training, 50)) == 50 * 50


@pytest.mark.parametrize(("n", "m"), [(20, 30), (30, 20)])
@pytest.mark.parametrize("ties", [False, True])
def test_rank_sum_statistic_agrees_with_scipy(n: int, m: int, ties: bool) -> None:
    """scipy tells the p-value of the same statistic, corrected for ties; and the sign: x are made to be smaller."""
    x, y = (draws.normal(0, name, 0, (rows,)).double() for name, rows in (("x", n), ("y", m)))
    x = x - 0.5
    if ties:
        x, y = (2 * x).round(), (2 * y).round()
    actual = rank_sum_statistic(x, y)
    expected = scipy.stats.mannwhitneyu(x, y, alternative="less", method="asymptotic", use_continuity=False)
    assert actual < 0
    torch.testing.assert_close(scipy.stats.norm.cdf(actual).item(), expected.pvalue.item(), rtol=1e-9, atol=0)


def test_equal_values_speak_neither_way() -> None:
    assert rank_sum_statistic(torch.ones(9), torch.ones(10)) == 0


def close(nearest: Tensor) -> Closeness:
    rows = torch.zeros(len(nearest), dtype=torch.int64)
    return Closeness(nearest.double(), rows, nearest.double(), 1.0)


def slow_c_t(samples: Tensor, digits: Tensor, sample_cells: Tensor, digit_cells: Tensor, least: int) -> float:
    """A pair at a time, without ties: (U - nm/2) / sqrt(nm (n + m + 1) / 12) in each cell."""
    total, weight = 0.0, 0
    for cell in sorted(set(digit_cells.tolist())):
        q = [value for value, where in zip(samples.tolist(), sample_cells.tolist(), strict=True) if where == cell]
        p = [value for value, where in zip(digits.tolist(), digit_cells.tolist(), strict=True) if where == cell]
        if min(len(q), len(p)) < least:
            continue
        u = sum(a > b for a in q for b in p)
        n, m = len(q), len(p)
        total += len(p) * (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
        weight += len(p)
    return total / weight


def test_c_t_agrees_with_its_definition() -> None:
    samples, digits = draws.uniform(0, "s", 0, (80,)), draws.uniform(0, "d", 0, (90,)) + 0.1
    sample_cells, digit_cells = draws.integers(0, "sc", 0, 4, (80,)), draws.integers(0, "dc", 0, 3, (90,))
    sample_cells[sample_cells == 2] = torch.where(torch.arange(int((sample_cells == 2).sum())) < 5, 2, 1)  # too few
    actual = three_sample_test(close(samples), close(digits), sample_cells, digit_cells, 5)
    assert actual is not None
    assert [cell is None for cell in actual.cells] == [False, False, True, True, True]
    torch.testing.assert_close(actual.value, slow_c_t(samples, digits, sample_cells, digit_cells, 8), rtol=1e-9, atol=0)


def copy_test(
    training: Tensor, samples: Tensor, digits: Tensor, sample_cells: Tensor, digit_cells: Tensor, num_cells: int
) -> CopyTest:
    near, far = closeness(training, samples, digits)
    actual = three_sample_test(near, far, sample_cells, digit_cells, num_cells)
    assert actual is not None
    return actual


def test_c_t_of_samples_that_are_no_copies_has_mean_0_and_its_own_deviation() -> None:
    """300 draws of samples, test digits and training digits from one law, in four cells."""
    values, deviations = [], []
    for index in range(300):
        training, samples, digits = (normal(name, 60, index) for name in ("training", "samples", "digits"))
        cells = [(each[:, 0] > 0).long() + 2 * (each[:, 1] > 0) for each in (samples, digits)]
        actual = copy_test(training, samples, digits, cells[0], cells[1], 4)
        values.append(actual.value)
        deviations.append(actual.null_deviation)
    spread = torch.tensor(values)
    expected = math.sqrt(sum(each**2 for each in deviations) / len(deviations))
    assert spread.mean().abs() < 4 * expected / math.sqrt(300)
    assert 0.9 < spread.std().item() / expected < 1.1


@pytest.mark.parametrize(("noise", "low", "high"), [(0.01, -20, -5), (10.0, 5, 20)])
def test_c_t_is_far_below_0_for_copies_and_far_above_for_noise(noise: float, low: float, high: float) -> None:
    training, digits = normal("training", 400), normal("digits", 200)
    samples = training[:200] + noise * normal("noise", 200)
    nowhere = torch.zeros(200, dtype=torch.int64)
    actual = copy_test(training, samples, digits, nowhere, nowhere, 1)
    assert low < actual.value < high


def test_c_t_sees_copies_of_one_class_in_its_cell() -> None:
    """Which all cells together would hide."""
    training, samples, digits = (normal(name, 400) for name in ("training", "samples", "digits"))
    cells = [(each[:, 0] > 1.3).long() for each in (training, samples, digits)]
    samples[cells[1] == 1] = training[cells[0] == 1][: int(cells[1].sum())] + 0.01
    actual = copy_test(training, samples, digits, cells[1], cells[2], 2)
    assert actual.cells[0] is not None
    assert actual.cells[1] is not None
    assert actual.cells[1] < -5 < -2 < actual.cells[0]


def test_too_few_in_every_cell_have_no_c_t() -> None:
    few = close(torch.arange(7))
    cells = torch.zeros(7, dtype=torch.int64)
    assert three_sample_test(few, few, cells, cells, 1) is None
