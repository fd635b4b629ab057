"""What the details say of one figure: never a None without its reason."""

import pytest
import torch

from stages.evaluation.beside_floor import FEW_IN_HALVES, NO_INFLUENCES, OPEN, metric_entry
from stages.evaluation.scores import Score
from stages.metrics.resampling import Influences, Resampler

UNKNOWN = {"ratio_interval": NO_INFLUENCES, "halves": FEW_IN_HALVES}
NO_FLOOR = "no ratio to a floor that is not above 0"


def score(value: float, *influences: float, never_negative: bool = False) -> Score:
    known = Influences(candidate=torch.tensor(influences, dtype=torch.float64))
    return Score(value, known.standard_error, influences=known, never_negative=never_negative)


@pytest.mark.parametrize(
    ("value", "floor", "ratio", "undefined"),
    [
        (Score(3.0, 0.1), Score(1.5, 0.2), 2.0, UNKNOWN),
        (Score(0.0), Score(1.5), 0.0, UNKNOWN),
        (Score(3.0), Score(0.0), None, UNKNOWN | dict.fromkeys(("ratio", "ratio_interval"), NO_FLOOR)),
        (Score(3.0), Score(-1.0), None, UNKNOWN | dict.fromkeys(("ratio", "ratio_interval"), NO_FLOOR)),
        (
            Score(None, undefined="why"),
            Score(1.0),
            None,
            UNKNOWN | dict.fromkeys(("value", "standard_error", "ratio", "ratio_interval"), "why"),
        ),
        (
            Score(1.0),
            Score(None, undefined="why"),
            None,
            UNKNOWN | dict.fromkeys(("floor", "floor_standard_error", "ratio", "ratio_interval"), "why"),
        ),
        (
            Score(3.0, no_ratio="because"),
            Score(1.5),
            None,
            UNKNOWN | dict.fromkeys(("ratio", "ratio_interval"), "because"),
        ),
    ],
)
def test_what_has_no_value_says_why(value: Score, floor: Score, ratio: float | None, undefined: dict[str, str]) -> None:
    assert metric_entry(value, floor, None, Resampler(1)).content() == {
        "value": value.value,
        "standard_error": value.standard_error,
        "floor": floor.value,
        "floor_standard_error": floor.standard_error,
        "ratio": ratio,
        "ratio_interval": None,
        "halves": None,
        "undefined": undefined,
    }


def test_a_figure_that_has_everything_has_no_excuses() -> None:
    entry = metric_entry(score(3.0, 0, 0), score(1.5, 0, 0), Score(1.25), Resampler(1))
    assert (entry.ratio_interval, entry.halves) == ([2.0, 2.0], 1.25)
    assert entry.undefined == {}


@pytest.mark.parametrize(("value", "floor"), [(Score(3.0), score(1.5, 0, 0)), (score(3.0, 0, 0), Score(1.5))])
def test_interval_needs_the_influences_of_both(value: Score, floor: Score) -> None:
    entry = metric_entry(value, floor, Score(1.0), Resampler(1))
    assert (entry.ratio, entry.ratio_interval) == (2.0, None)
    assert entry.undefined == {"ratio_interval": NO_INFLUENCES}


def test_an_open_interval_says_so() -> None:
    entry = metric_entry(score(3.0, 0, 0, 0), score(0.1, -1, 0, 1), Score(1.0), Resampler(1))
    assert (entry.ratio_interval or [0, 0])[1] is None
    assert entry.undefined == {"ratio_interval": OPEN}


def test_halves_say_why_they_have_no_value() -> None:
    entry = metric_entry(score(3.0, 0, 0), score(1.5, 0, 0), Score(None, undefined="too small"), Resampler(1))
    assert (entry.halves, entry.undefined) == (None, {"halves": "too small"})


def test_a_figure_that_is_never_negative_has_no_negative_ratio() -> None:
    """Its linear part may lead below 0; that of a figure such as kd_classifier may mean it."""
    floor = score(1.0, 0, 0)
    lows = []
    for never_negative in (False, True):
        entry = metric_entry(score(0.1, -1, 0, 1, never_negative=never_negative), floor, None, Resampler(1))
        assert entry.ratio_interval is not None
        lows.append(entry.ratio_interval[0] or 0.0)
    assert lows[0] < 0 == lows[1]
