"""Modes and their divergence against closed forms, simulation and the figures of the literature."""

import math
from itertools import product

import pytest
import torch

from stages.metrics.modes import modes_found, reverse_kl, uniform_reverse_kl


def test_all_modes_alike() -> None:
    recognised = torch.arange(1000).repeat(26)
    assert modes_found(recognised, 1000) == 1000
    assert reverse_kl(recognised, 1000).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kept", [1, 10, 250])
def test_lost_modes_cost_the_log_of_their_share(kept: int) -> None:
    """Samples spread evenly over some of the modes alone: KL is log(K / kept)."""
    recognised = torch.arange(kept).repeat(1000 // kept)
    assert modes_found(recognised, 1000) == kept
    assert reverse_kl(recognised, 1000).value == pytest.approx(math.log(1000 / kept), rel=1e-12)


def test_it_is_the_samples_divergence_not_that_of_equal_shares() -> None:
    """With shares 3/4 and 1/4 the two directions differ: log 2 - H(p), and the mean of -log(2 p)."""
    recognised = torch.tensor([0, 0, 0, 1])
    reverse = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    forward = -0.5 * math.log(1.5) - 0.5 * math.log(0.5)
    assert reverse_kl(recognised, 2).value == pytest.approx(reverse, rel=1e-12)
    assert abs(forward - reverse) > 0.01


def test_influences_are_the_slopes_of_the_divergence() -> None:
    """To first order, one more sample of a mode moves the figure by its influence over N."""
    recognised = torch.cat([torch.zeros(7000), torch.ones(2000), torch.full((1000,), 2)]).long()
    estimate = reverse_kl(recognised, 4)
    assert estimate.influences.candidate is not None
    for mode in range(3):
        influence = estimate.influences.candidate[recognised == mode][0].item()
        moved = reverse_kl(torch.cat([recognised, torch.tensor([mode])]), 4).value - estimate.value
        assert moved == pytest.approx(influence / len(recognised), rel=0.01)
    assert estimate.influences.candidate.sum().item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("num_modes", "num_images"), [(1, 5), (2, 1), (2, 2), (2, 5), (3, 4), (4, 3)])
def test_mean_of_even_samples_is_that_of_all_draws(num_modes: int, num_images: int) -> None:
    draws = [torch.tensor(draw) for draw in product(range(num_modes), repeat=num_images)]
    mean = sum(reverse_kl(draw, num_modes).value for draw in draws) / len(draws)
    assert uniform_reverse_kl(num_modes, num_images) == pytest.approx(mean, rel=1e-9, abs=1e-12)


def test_mean_of_even_samples_at_the_count_of_papers() -> None:
    """About 999 / 2N at 26,000 samples of 1,000 modes, 0.0192; a draw lies near it."""
    mean = uniform_reverse_kl(1000, 26_000)
    assert mean == pytest.approx(999 / 52_000, rel=0.05)
    draw = torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(3))
    assert reverse_kl(draw, 1000).value == pytest.approx(mean, rel=0.15)
