"""The statistics of `make seeds` against scipy's."""

import statistics

import pytest
from scipy import stats

from tools import seeds

ONE, OTHER = [1.0, 1.2, 0.9, 1.1, 1.05], [2.0, 1.4, 2.6, 1.9, 2.3]


def test_confidence_of_the_mean() -> None:
    low, high = stats.t.interval(0.95, len(ONE) - 1, loc=0, scale=stats.sem(ONE))
    assert seeds.mean_reach(ONE) == pytest.approx(high)
    assert seeds.mean_reach(ONE) == pytest.approx(-low)


def test_difference_after_welch_is_scipys_with_degrees_rounded_down() -> None:
    exact = stats.ttest_ind(OTHER, ONE, equal_var=False).confidence_interval(0.95)
    reach = (exact.high - exact.low) / 2
    assert reach <= seeds.welch_reach(ONE, OTHER) < 1.1 * reach


def test_settings_differ_where_the_interval_leaves_out_zero() -> None:
    table = seeds.table_of_difference({"a": ONE, "b": ONE, "c": ONE}, {"a": OTHER, "b": ONE[::-1], "d": OTHER})
    rows = [line for line in table.splitlines() if line.startswith(("| a", "| b"))]
    assert "differs" in rows[0]
    assert "within the spread" in rows[1]
    assert len(table.splitlines()) == 4


def test_identical_runs_have_no_spread() -> None:
    assert seeds.mean_reach([2.0, 2.0, 2.0]) == 0
    assert seeds.welch_reach([2.0, 2.0], [2.0, 2.0]) == 0


def test_table_of_setting_setting() -> None:
    row = seeds.table_of_setting({"fd": ONE}).splitlines()[-1]
    assert "1.05" in row
    assert f"{statistics.stdev(ONE):.4g}" in row
