"""Precision, recall, density and coverage against their definitions, prdc and torch-fidelity; ties, blocks, memory."""

import math
from collections.abc import Callable

import prdc
import pytest
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics import neighbours
from stages.metrics.distances import squared_radii, to_grid
from stages.metrics.neighbours import Neighbourhoods, neighbourhoods


def normal(purpose: str, rows: int, columns: int) -> Tensor:
    return draws.normal(0, purpose, 0, (rows, columns))


def with_ties(purpose: str, rows: int) -> Tensor:
    """Points of a 4 x 4 lattice: many are repeated, many distances equal."""
    return draws.integers(0, purpose, 0, 4, (rows, 2)).float()


def slow_neighbourhoods(reference: Tensor, candidate: Tensor, k: int) -> Neighbourhoods:
    """The definitions, a point at a time."""

    def radius(points: list[list[float]], i: int) -> float:
        return sorted(math.dist(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]

    x, y = reference.tolist(), candidate.tolist()
    in_x_ball = torch.tensor([[math.dist(a, b) <= radius(x, i) for b in y] for i, a in enumerate(x)])
    in_y_ball = torch.tensor([[math.dist(a, b) <= radius(y, j) for j, b in enumerate(y)] for a in x])
    return Neighbourhoods(in_x_ball.sum(dim=0), in_x_ball.any(dim=1), in_y_ball.any(dim=1), k)


def assert_same(actual: Neighbourhoods, expected: Neighbourhoods) -> None:
    for name in ("balls_around", "covered", "recalled"):
        torch.testing.assert_close(getattr(actual, name), getattr(expected, name), rtol=0, atol=0)


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize(("n", "m"), [(20, 30), (30, 20)])
@pytest.mark.parametrize("ties", [False, True])
def test_agrees_with_the_definition(n: int, m: int, k: int, ties: bool) -> None:
    x, y = (with_ties("x", n), with_ties("y", m)) if ties else (normal("x", n, 5), normal("y", m, 5))
    assert_same(neighbourhoods(x, y, k), slow_neighbourhoods(x, y, k))


@pytest.mark.parametrize("name", ["precision", "recall", "density", "coverage"])
@pytest.mark.parametrize("k", [1, 5])
def test_agrees_with_prdc_in_this_direction_only(name: str, k: int, features: tuple[Tensor, Tensor]) -> None:
    """Exactly, because no distance equals a radius here: prdc takes open balls."""
    reference, candidate = features
    expected = prdc.compute_prdc(reference.numpy(), candidate[:150].numpy(), nearest_k=k)[name]
    actual, swapped = neighbourhoods(reference, candidate[:150], k), neighbourhoods(candidate[:150], reference, k)
    torch.testing.assert_close(getattr(neighbours, name)(actual).value, float(expected), rtol=1e-12, atol=0)
    assert abs(getattr(neighbours, name)(swapped).value - expected) > 0.05


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_agrees_with_torch_fidelity(name: str, features: tuple[Tensor, Tensor], fidelity: dict[str, float]) -> None:
    """To the rounding of torch-fidelity's mean, which is float32."""
    actual = getattr(neighbours, name)(neighbourhoods(*features, k=3)).value
    torch.testing.assert_close(actual, fidelity[name], rtol=1e-6, atol=0)
    assert abs(fidelity["precision"] - fidelity["recall"]) > 0.05  # else this would not tell the direction


def shares(sets: Neighbourhoods) -> list[float]:
    return [metric(sets).value for metric in (neighbours.precision, neighbours.recall, neighbours.coverage)]


def test_identical_sets() -> None:
    x = normal("x", 50, 5)
    actual = neighbourhoods(x, x, k=4)
    assert (
        neighbours.precision(actual).value == neighbours.recall(actual).value == neighbours.coverage(actual).value == 1
    )
    assert neighbours.density(actual).value == (4 + 1) / 4  # closed balls: each holds its k neighbours and its centre


def test_repeated_points_hold_each_other() -> None:
    """All at one place, radius 0: every ball holds every candidate there, none elsewhere."""
    x = normal("x", 1, 128).expand(10, 128)
    same, other = neighbourhoods(x, x[:6], k=3), neighbourhoods(x, x[:6] + 1e-3, k=3)
    assert shares(same) == [1, 1, 1]
    assert neighbours.density(same).value == 10 / 3
    assert shares(other) == [0, 0, 0]


@pytest.mark.parametrize("block_rows", [1, 7, 64, 1000])
def test_block_size_changes_no_bit(block_rows: int) -> None:
    """Far from the origin, where floats lose the distance among the norms, and with candidates from the reference."""
    x = normal("x", 300, 32) + 100
    y = torch.cat([normal("y", 100, 32) + 100, x[50:150]])
    assert_same(neighbourhoods(x, y, 5, block_rows), neighbourhoods(x, y, 5))
    assert neighbourhoods(x, y, 5, block_rows).covered[50:150].all()


def test_distances_are_exact() -> None:
    x = to_grid(normal("x", 60, 128) + 10)[0]
    expected = (x[:, None] - x[None]).square().sum(dim=2)  # of integers, so exact as well
    torch.testing.assert_close(squared_distances(x, x), expected, rtol=0, atol=0)


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


def test_no_tensor_outgrows_a_block(largest_tensor: Callable[[Callable[[], object]], int]) -> None:
    x, y = normal("x", 500, 8), normal("y", 600, 8)
    assert largest_tensor(lambda: neighbourhoods(x, y, 3, block_rows=20)) == 20 * 600


@pytest.mark.parametrize(("n", "m", "k"), [(5, 9, 5), (9, 5, 5), (9, 9, 0)])
def test_k_must_leave_a_neighbour(n: int, m: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to {min(n, m) - 1}, found {k}"):
        neighbourhoods(torch.zeros(n, 2), torch.zeros(m, 2), k)
