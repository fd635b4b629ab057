"""Precision, recall, density and coverage against their definitions, prdc and torch-fidelity; ties, blocks, memory."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics import neighbours
from stages.metrics.neighbours import Neighbourhoods, Radii, neighbourhoods


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
    import prdc  # noqa: PLC0415 (with scikit-learn: seconds, which a process that collects tests spares)

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


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 7, 64, 1000])
def test_size_of_tiles_changes_no_bit(size: int) -> None:
    """Far from the origin, where floats lose the distance among the norms, and with candidates from the reference."""
    x = normal("x", 300, 32) + 100
    y = torch.cat([normal("y", 100, 32) + 100, x[50:150]])
    assert_same(neighbourhoods(x, y, 5, size), neighbourhoods(x, y, 5))
    assert neighbourhoods(x, y, 5, size).covered[50:150].all()


def test_no_tensor_outgrows_a_tile(largest_tensor: Callable[[Callable[[], object]], int]) -> None:
    x, y = normal("x", 500, 8), normal("y", 600, 8)
    assert largest_tensor(lambda: neighbourhoods(x, y, 3, size=100)) == 100 * 100


def test_radii_that_another_comparison_computed_are_those_that_this_one_would_compute() -> None:
    """Also where the candidates are so large that the grid is another one."""
    x, known = normal("x", 60, 5), Radii()
    for candidate in (normal("y", 50, 5), normal("z", 50, 5), 100 * normal("z", 50, 5)):
        assert_same(neighbourhoods(x, candidate, 3, known_radii=known), neighbourhoods(x, candidate, 3))
    assert len(known) == 2


@pytest.mark.parametrize(("n", "m", "k"), [(5, 9, 5), (9, 5, 5), (9, 9, 0)])
def test_k_must_leave_a_neighbour(n: int, m: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to {min(n, m) - 1}, found {k}"):
        neighbourhoods(torch.zeros(n, 2), torch.zeros(m, 2), k)
