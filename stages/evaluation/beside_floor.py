"""A figure beside its floor, the same figure for real digits in the samples' place: ratio, interval, and halves."""

from stages.common.records import Record
from stages.evaluation.scores import Score
from stages.metrics.resampling import Estimate, Resampler

FEW_IN_HALVES = "too few test images to halve them"
NO_INFLUENCES = "the part that each image has in this figure is not known"
OPEN = "open where null: in some resamplings the floor is not above 0"


class BesideFloor(Record):
    """Value and floor with their standard errors, and the ratio of the two.

    ratio_interval: see Resampler. undefined: for every key that is None, or an interval that is open, why.
    """

    value: float | None
    standard_error: float | None
    floor: float | None
    floor_standard_error: float | None
    ratio: float | None
    ratio_interval: list[float | None] | None
    undefined: dict[str, str]


class MetricEntry(BesideFloor):
    """What the details say of one metric. halves: one half of the test digits against the other."""

    halves: float | None


def beside_floor(score: Score, floor: Score, resampler: Resampler) -> BesideFloor:
    """The figure of the samples beside that of real digits in their place."""
    ratio, no_ratio = _ratio(score, floor)
    interval, no_interval = _interval(score, floor, resampler) if no_ratio is None else (None, no_ratio)
    reasons = {
        "value": score.undefined,
        "standard_error": score.undefined,
        "floor": floor.undefined,
        "floor_standard_error": floor.undefined,
        "ratio": no_ratio,
        "ratio_interval": no_interval,
    }
    return BesideFloor(
        value=score.value,
        standard_error=score.standard_error,
        floor=floor.value,
        floor_standard_error=floor.standard_error,
        ratio=ratio,
        ratio_interval=interval,
        undefined={key: reason for key, reason in reasons.items() if reason},
    )


def metric_entry(score: Score, floor: Score, halves: Score | None, resampler: Resampler) -> MetricEntry:
    """The same with the score of one half of the test digits against the other; None if they are too few."""
    at_halves = halves or Score(None, undefined=FEW_IN_HALVES)
    entry = dict(beside_floor(score, floor, resampler))
    if at_halves.undefined:
        entry["undefined"] |= {"halves": at_halves.undefined}
    return MetricEntry(**entry, halves=at_halves.value)


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
