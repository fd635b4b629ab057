"""Influences and intervals against the plain bootstrap, and against how often they hold the truth."""

import math

import pytest
import torch

from stages.common import draws
from stages.metrics import resampling
from stages.metrics.resampling import (
    LEVEL,
    RESAMPLES,
    Influences,
    Resampler,
    centred,
    mean_over_candidates,
    mean_over_references,
)


def test_standard_error_of_a_mean() -> None:
    parts = draws.normal(0, "parts", 0, (50,)).double()
    expected = parts.std().item() / math.sqrt(50)
    torch.testing.assert_close(mean_over_candidates(parts).standard_error, expected)
    both = Influences(candidate=centred(parts), reference=centred(2 * parts))
    torch.testing.assert_close(both.standard_error, expected * math.sqrt(5))


def test_counts_draw_every_image_of_each_resampling_with_replacement() -> None:
    counts = Resampler(1).counts("samples", 30)
    assert counts.shape == (RESAMPLES, 30)
    assert (counts.sum(dim=1) == 30).all()
    torch.testing.assert_close(counts.double().mean().item(), 1.0)
    torch.testing.assert_close(counts.double().var().item(), 29 / 30, rtol=0.03, atol=0)


def test_draws_depend_on_seed_and_set_alone() -> None:
    first, again, other = Resampler(1), Resampler(1), Resampler(2)
    again.counts("validation", 20)  # an order of calls that differs changes nothing
    assert first.counts("samples", 20).equal(again.counts("samples", 20))
    assert not first.counts("samples", 20).equal(first.counts("validation", 20))
    assert not first.counts("samples", 20).equal(other.counts("samples", 20))


def test_rows_in_parts_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for many images, for which not all resamplings are held at once: those of a single draw of all."""
    drawn = draws.integers(1, "evaluate.resamples.samples", 0, 30, (RESAMPLES, 30))
    expected = torch.stack([row.bincount(minlength=30) for row in drawn])
    influences = Influences(candidate=draws.normal(0, "influences", 0, (30,)).double())
    changes = Resampler(1).changes("samples", influences)
    for at_once in (1, 30 * 7, 30 * RESAMPLES):
        monkeypatch.setattr(resampling, "AT_ONCE", at_once)
        assert Resampler(1).counts("samples", 30).long().equal(expected)
        torch.testing.assert_close(Resampler(1).changes("samples", influences), changes, rtol=1e-12, atol=1e-12)


def test_for_means_it_is_the_bootstrap_itself() -> None:
    """Drawing rows and computing their mean anew."""
    parts, real = draws.integers(0, "a", 0, 2, (40,)), draws.integers(0, "b", 0, 2, (60,)) + 1
    resampler = Resampler(3)
    drawn = draws.integers(3, "evaluate.resamples.samples", 0, 40, (RESAMPLES, 40))
    drawn_real = draws.integers(3, "evaluate.resamples.validation", 0, 60, (RESAMPLES, 60))
    ratios = (parts[drawn].double().mean(dim=1) / real[drawn_real].double().mean(dim=1)).sort().values
    actual = resampler.ratio_interval(mean_over_candidates(parts), mean_over_candidates(real))
    torch.testing.assert_close(actual, ratios[[25, -26]].tolist())


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    """200 trials of two shares of 0.8 and 0.9, of which about 95 % are to hold 8 / 9."""
    resampler, held = Resampler(1), 0
    for trial in range(200):
        parts, real = (draws.uniform(1, name, trial, (300,)) < share for name, share in (("a", 0.8), ("b", 0.9)))
        low, high = resampler.ratio_interval(mean_over_candidates(parts), mean_over_candidates(real))
        assert low is not None
        assert high is not None
        held += low <= 0.8 / 0.9 <= high
    assert abs(held / 200 - LEVEL) < 0.04


def test_figure_and_floor_share_the_draws_of_the_references() -> None:
    """What hangs on the references alone cancels in the ratio."""
    parts = draws.uniform(0, "parts", 0, (100,))
    actual = Resampler(1).ratio_interval(mean_over_references(parts), mean_over_references(2 * parts))
    torch.testing.assert_close(actual, [0.5, 0.5])
    apart = Resampler(1).ratio_interval(mean_over_candidates(parts), mean_over_candidates(2 * parts))
    assert apart[0] is not None
    assert apart[1] is not None
    assert apart[1] - apart[0] > 0.05


def test_a_floor_that_may_be_zero_leaves_the_ratio_open_above() -> None:
    figure = mean_over_candidates(torch.tensor([1.0, 2.0, 3.0]))
    floor = mean_over_candidates(torch.tensor([-1.0, 0.1, 1.0]))
    low, high = Resampler(1).ratio_interval(figure, floor)
    assert low is not None
    assert low > 0
    assert high is None


def test_without_spread_the_interval_is_the_ratio() -> None:
    ones = torch.ones(5)
    assert Resampler(1).ratio_interval(mean_over_candidates(ones), mean_over_candidates(ones)) == [1.0, 1.0]
