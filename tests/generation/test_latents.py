"""Ways through the latents, against geometry and the normal distribution's closed forms."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from stages.common import draws
from stages.generation.latents import analogy, spherical, straight, truncated

START, END = (draws.normal(seed, "ends", 0, (5, 64)) for seed in (0, 1))
T = torch.linspace(0, 1, 11).view(-1, 1, 1)


def angles(first: Tensor, second: Tensor) -> Tensor:
    return torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=-1).acos()


def test_spherical_interpolation_turns_by_the_same_angle_at_every_step() -> None:
    end = END * (START.norm(dim=1) / END.norm(dim=1))[:, None]
    way = spherical(START, end, T)
    steps = angles(way[:-1], way[1:])
    assert_close(steps, (angles(START, end) / 10).expand(10, 5), rtol=1e-3, atol=0)
    assert_close(way.norm(dim=-1), START.norm(dim=1).expand(11, 5))
    assert (((START + end) / 2).norm(dim=1) < 0.8 * START.norm(dim=1)).all()  # where a line would not stay


def test_spherical_interpolation_on_the_unit_circle() -> None:
    turns = torch.linspace(0, 2.5, 11, dtype=torch.float64)
    actual = spherical(
        torch.tensor([1.0, 0.0]).double(),
        torch.stack([turns[-1].cos(), turns[-1].sin()]),
        torch.linspace(0, 1, 11, dtype=torch.float64)[:, None],
    )
    assert_close(actual, torch.stack([turns.cos(), turns.sin()], 1))


@pytest.mark.parametrize("end", [3.0, 0.5, -2.0])
def test_spherical_interpolation_of_parallel_vectors_is_straight(end: float) -> None:
    """As all latents of one entry are; the circle through them would have no one direction."""
    t = torch.linspace(0, 1, 5)[:, None]
    assert_close(spherical(torch.tensor([1.0]), torch.tensor([end]), t), 1 + (end - 1) * t)


def test_linear_interpolation_goes_in_equal_steps() -> None:
    way = straight(START, END, T)
    assert_close(way[1:] - way[:-1], ((END - START) / 10).expand(10, 5, 64), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("way", [spherical, straight])
def test_a_way_begins_and_ends_at_its_ends(way: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    assert_close(way(START, END, T)[[0, -1]], torch.stack([START, END]), rtol=1e-4, atol=1e-5)


def test_a_minus_a_plus_c_is_c() -> None:
    c = draws.normal(2, "ends", 0, (5, 64))
    assert torch.equal(analogy(START, START, c), c)


def test_an_analogy_has_the_direction_of_the_sum_and_the_length_of_c() -> None:
    c = draws.normal(2, "ends", 0, (5, 64))
    result = analogy(START, END, c)
    assert_close(result.norm(dim=1), c.norm(dim=1))
    assert_close(angles(result, START - END + c), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-3)
    assert (angles(result, START) < angles(c, START)).all()
    assert (angles(result, END) > angles(c, END)).all()


# --- truncation ---

Z = draws.normal(3, "z", 0, (200_000,))


def test_without_a_cut_nothing_is_truncated() -> None:
    assert truncated(Z, None) is Z


def test_a_cut_in_the_far_tails_changes_nothing_but_the_last_bits() -> None:
    assert_close(truncated(Z, 10.0), Z, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("cut", [0.1, 0.5, 1.0, 2.0])
def test_truncated_entries_have_the_distribution_of_draws_repeated_until_they_are_inside(cut: float) -> None:
    """By the largest distance of two distribution functions (Smirnov), which stays below 1.63 / sqrt(n / 2) at 99 %."""
    values = truncated(Z, cut)
    assert values.abs().max() <= cut
    again = draws.normal(4, "more", 0, (600_000,))
    inside = again[again.abs() <= cut][:50_000].sort().values
    own = values[: len(inside)].sort().values
    ranks = torch.searchsorted(own, inside) / len(own)
    expected = torch.arange(len(inside)) / len(inside)
    assert (ranks - expected).abs().max() < 1.63 * math.sqrt(2 / len(inside))


@pytest.mark.parametrize("cut", [0.5, 1.0, 2.0])
def test_variance_of_truncated_entries_is_that_of_the_closed_form(cut: float) -> None:
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    expected = 1 - 2 * cut * density / math.erf(cut / math.sqrt(2))
    assert truncated(Z, cut).double().square().mean().item() == pytest.approx(expected, rel=0.01)


def test_truncation_keeps_order_and_sign_and_changes_smoothly() -> None:
    z = Z[:1000].sort().values
    for cut in (0.1, 1.0, 3.0):
        values = truncated(z, cut)
        assert (values.diff() >= 0).all()
        assert torch.equal(values.sign(), z.sign())
    step = truncated(z, 1.01) - truncated(z, 1.0)
    assert step.abs().max() <= 0.0101


def test_entries_far_out_stay_numbers() -> None:
    far = torch.tensor([-30.0, 30.0, 0.0])
    for cut in (0.01, 1.0, 9.0):
        assert_close(truncated(far, cut), torch.tensor([-cut, cut, 0.0]))
