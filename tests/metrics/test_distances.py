"""Exact distances, a tile at a time: the grid, radii against their definition, and the least of many values."""

import pytest
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics import distances
from stages.metrics.distances import differences, least, squared_radii, to_grid


def normal(purpose: str, rows: int, columns: int) -> Tensor:
    return draws.normal(0, purpose, 0, (rows, columns))


def test_distances_are_exact() -> None:
    x = to_grid(normal("x", 60, 128) + 10)[0]
    expected = (x[:, None] - x[None]).square().sum(dim=2)  # of integers, so exact as well
    norms = x.square().sum(dim=1)
    actual = differences(x, x, norms, slice(20, 50)) + norms[:, None]
    torch.testing.assert_close(actual, expected[:, 20:50], rtol=0, atol=0)


@pytest.mark.parametrize("columns", [1, 2, 128, 2048])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 0.99999, 3e30])
def test_grid_is_fine_and_leaves_room_for_exact_sums(columns: int, scale: float) -> None:
    x, y = scale * normal("x", 20, columns).clamp(-1, 1), scale * normal("y", 30, columns).clamp(-1, 1)
    on_grid = to_grid(x, y)
    largest = max(features.abs().max().item() for features in on_grid)
    assert all((features == features.round()).all() for features in on_grid)
    assert 4 * columns * largest**2 <= 2**53
    assert largest >= 2**18
    ratios = [
        features.double().abs().max() / features_on_grid.abs().max()
        for features, features_on_grid in zip((x, y), on_grid, strict=True)
    ]
    torch.testing.assert_close(ratios[0], ratios[1], rtol=1e-5, atol=0)  # one grid for both


def test_all_zero_features_are_on_the_grid() -> None:
    assert not to_grid(torch.zeros(3, 4))[0].any()


def test_radii_count_repeated_points_as_neighbours() -> None:
    points = to_grid(torch.tensor([[0.0], [0.0], [3.0], [7.0]]))[0]
    unit = points[2] / 3
    torch.testing.assert_close((squared_radii(points, k=1) / unit**2).tolist(), [0.0, 0.0, 9.0, 16.0])
    torch.testing.assert_close((squared_radii(points, k=2) / unit**2).tolist(), [9.0, 9.0, 9.0, 49.0])


@pytest.mark.parametrize("size", [1, 7, 90, 1000])
@pytest.mark.parametrize("k", [1, 5, 40, 89])
@pytest.mark.parametrize("ties", [False, True])
def test_radii_are_the_kth_of_all_distances_in_order(size: int, k: int, ties: bool) -> None:
    points = to_grid(draws.integers(0, "x", 0, 4, (90, 2)).float() if ties else normal("x", 90, 5))[0]
    expected = (points[:, None] - points).square().sum(dim=2).sort(dim=1).values[:, k]
    assert squared_radii(points, k, size).equal(expected)


@pytest.mark.parametrize("columns", [1, 2, 7, 100, 1000, 1013])
@pytest.mark.parametrize("count", [1, 2, 6, 99, 2000])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_least_of_each_row(columns: int, count: int, levels: int) -> None:
    """Few levels: nearly all values are equal."""
    values = draws.integers(0, "values", columns, levels, (20, columns)).double()
    assert least(values, count).sort(dim=1).values.equal(values.sort(dim=1).values[:, :count])


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_number_of_cores_changes_no_bit(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    points = to_grid(normal("x", 90, 5))[0]
    expected = squared_radii(points, 3)
    monkeypatch.setattr(distances, "available_cores", lambda: cores)
    assert squared_radii(points, 3, size=10).equal(expected)
