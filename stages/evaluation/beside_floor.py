"""One figure: its value, or why it has none; and how the details tell it beside the same figure of real digits."""

from dataclasses import dataclass
from typing import Any

from stages.metrics.resampling import Estimate, Influences, Resampler

FEW_IN_HALVES = "too few test digits to halve them"
NO_INFLUENCES = "the part that each image has in this figure is not known"
OPEN = "open where null: in some resamplings the floor is not above 0"


@dataclass(frozen=True)
class Score:
    """The value of a metric, with its standard error where one is known; or None and why it has no value.

    influences: those of the images, where the metric has them; no_ratio: why a ratio to the floor would mean nothing;
    never_negative: whether the figure is at least 0 whatever the images.
    """

    value: float | None
    standard_error: float | None = None
    undefined: str | None = None
    influences: Influences | None = None
    no_ratio: str | None = None
    never_negative: bool = False


def estimated(estimate: Estimate, never_negative: bool = False) -> Score:
    """The score of a figure whose influences are known."""
    return Score(estimate.value, estimate.standard_error, influences=estimate.influences, never_negative=never_negative)


def metric_entry(score: Score, floor: Score, halves: Score | None, resampler: Resampler) -> dict[str, Any]:
    """What the details say of one metric: value and floor with their standard errors, and the ratio of the two.

    ratio_interval: see Resampler; halves: one half of the test digits against the other, None if they are too few.
    undefined: for every key that is None, or an interval that is open, why.
    """
    at_halves = halves or Score(None, undefined=FEW_IN_HALVES)
    ratio, no_ratio = _ratio(score, floor)
    interval, no_interval = _interval(score, floor, resampler) if no_ratio is None else (None, no_ratio)
    reasons = {
        "value": score.undefined,
        "standard_error": score.undefined,
        "floor": floor.undefined,
        "floor_standard_error": floor.undefined,
        "ratio": no_ratio,
        "ratio_interval": no_interval,
        "halves": at_halves.undefined,
    }
    return {
        "value": score.value,
        "standard_error": score.standard_error,
        "floor": floor.value,
        "floor_standard_error": floor.standard_error,
        "ratio": ratio,
        "ratio_interval": interval,
        "halves": at_halves.value,
        "undefined": {key: reason for key, reason in reasons.items() if reason},
    }


def _ratio(score: Score, floor: Score) -> tuple[float | None, str | None]:
    """The ratio, or why there is none."""
    if score.value is None or floor.value is None:
        return None, score.undefined or floor.undefined
    if score.no_ratio:
        return None, score.no_ratio
    if floor.value <= 0:
        return None, "no ratio to a floor that is not above 0"
    return score.value / floor.value, None


def _interval(score: Score, floor: Score, resampler: Resampler) -> tuple[list[float | None] | None, str | None]:
    """The interval of the ratio of two that have values, or why there is none; also why a bound is open."""
    if score.influences is None or floor.influences is None:
        return None, NO_INFLUENCES
    assert score.value is not None
    assert floor.value is not None
    figures = Estimate(score.value, score.influences), Estimate(floor.value, floor.influences)
    interval = resampler.ratio_interval(*figures, never_negative=score.never_negative)
    return interval, OPEN if None in interval else None
