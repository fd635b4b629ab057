import math

import pytest
from scipy import stats

from tools.intervals import prediction_interval, t_probability, t_quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 8, 9, 30])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.95, 0.99375])
def test_quantile_is_that_of_scipy(degrees: int, probability: float) -> None:
    expected = stats.t.ppf((1 + probability) / 2, degrees)
    assert t_quantile(probability, degrees) == pytest.approx(expected, rel=1e-9)
    assert t_probability(expected, degrees) == pytest.approx(probability, rel=1e-9)


def test_quantiles_of_printed_tables() -> None:
    assert t_quantile(0.95, 4) == pytest.approx(2.776, abs=5e-4)
    assert t_quantile(0.95, 1) == pytest.approx(12.706, abs=5e-4)


def test_interval_of_five_by_hand() -> None:
    """Mean 3, standard deviation sqrt(2.5); 2.776 * sqrt(2.5) * sqrt(1.2) = 4.808."""
    assert prediction_interval([1, 2, 3, 4, 5], 0.95) == pytest.approx((3 - 4.808, 3 + 4.808), abs=1e-3)


def test_interval_holds_a_further_draw_as_often_as_it_says() -> None:
    rng = stats.norm(5, 2)
    hits = 0
    draws = rng.rvs(size=(4000, 6), random_state=1)
    for row in draws:
        low, high = prediction_interval(row[:5].tolist(), 0.9)
        hits += low <= row[5] <= high
    assert hits / len(draws) == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / len(draws)))
