"""CAS beside real digits, against counts by hand and the plain paired bootstrap."""

import pytest
import torch
from torch import Tensor

from stages.common import draws
from stages.evaluation.cas import CasEntry, cas_entry, in_plain_words, shares_recognised
from stages.metrics.resampling import RESAMPLES, halved


def shares(purpose: str, right: float, n: int = 400) -> Tensor:
    """The shares of n test digits that three classifiers of accuracy `right` recognise."""
    rights = draws.uniform(0, purpose, 0, (3, n)) < right
    return shares_recognised([torch.nonzero(~each).squeeze(1).tolist() for each in rights], n)


def test_shares_by_hand() -> None:
    assert shares_recognised([[0, 2], [2]], 4).tolist() == [0.5, 1, 0, 1]
    assert shares_recognised([[]], 2).tolist() == [1, 1]


def test_interval_is_the_paired_bootstrap_over_test_digits() -> None:
    """Drawing test digits again, the same for both, and dividing the means."""
    samples, real = shares("samples", 0.8), shares("real", 0.95)
    entry = cas_entry(samples, real, seed=3)
    drawn = draws.integers(3, "evaluate.resamples.test", 0, 400, (RESAMPLES, 400))
    ratios = (samples[drawn].mean(dim=1) / real[drawn].mean(dim=1)).sort().values
    assert entry.ratio == pytest.approx((samples.mean() / real.mean()).item())
    assert entry.ratio_interval == pytest.approx(ratios[[25, -26]].tolist())
    assert entry.undefined == {}


def width(entry: CasEntry) -> float:
    low, high = entry.ratio_interval or (None, None)
    assert low is not None
    assert high is not None
    return high - low


def test_digits_that_are_hard_for_both_count_for_neither() -> None:
    """The ratio of two that make the same mistakes is surer than of two that make others."""
    real, other = shares("real", 0.9), shares("other", 0.9)
    widths = [width(cas_entry(real * 0.9, shares_of, 1)) for shares_of in (real, other)]
    assert widths[0] < 1e-9
    assert widths[1] > 0.01


def test_each_half_has_both_figures() -> None:
    samples, real = shares("samples", 0.8, 401), shares("real", 0.95, 401)
    entry = cas_entry(samples, real, seed=1)
    first, other = halved(1, 401)
    assert (len(first), len(other)) == (201, 200)
    assert sorted([*first.tolist(), *other.tolist()]) == list(range(401))
    assert entry.halves == [samples[first].mean().item(), samples[other].mean().item()]
    assert entry.floor_halves == [real[first].mean().item(), real[other].mean().item()]


@pytest.mark.parametrize("real", [0.0, 1.0])
def test_all_or_nothing_has_values_or_reasons(real: float) -> None:
    entry = cas_entry(torch.zeros(10, dtype=torch.float64), torch.full((10,), real, dtype=torch.float64), 1)
    assert entry.value == 0
    if real:
        assert (entry.ratio, entry.ratio_interval, entry.undefined) == (0, [0, 0], {})
    else:
        assert entry.ratio is None
        assert entry.undefined.keys() == {"ratio", "ratio_interval"}
        assert "ratio" not in in_plain_words(entry, 10, 10)


def test_words() -> None:
    entry = cas_entry(torch.full((10,), 0.5, dtype=torch.float64), torch.ones(10, dtype=torch.float64), 1)
    words = "50.00 % of the test images recognised after 1,000 samples alone, 100.00 % after"
    assert in_plain_words(entry, 1000, 1000) == f"{words} 1,000 real images: ratio 0.5000 (0.5000 to 0.5000)"
    assert in_plain_words(entry, 1000, 2000).endswith(
        "2,000 real images: ratio 0.5000 (0.5000 to 0.5000); fewer samples than real images, which alone lowers the "
        "ratio (generate.num_images)"
    )
    assert in_plain_words(entry, 1000, 1000, "no judgement: why") == f"no judgement: why; {words} 1,000 real images"
