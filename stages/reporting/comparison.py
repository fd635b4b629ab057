"""Two runs side by side: their figures, their settings, and which of their files are the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.common.records import Undefined
from stages.evaluation.registry import EVERY
from stages.reporting.figures import JUDGES, Figure, Measured, figures
from stages.reporting.pictures import Picture
from stages.reporting.provenance import flat
from stages.reporting.training import Drawn

LOWER = {"fd_second", *JUDGES}
"""Figures that are in no registry and better if lower; `cas` is better if higher."""
EVALUATED = ("num_images", "reference", "floor", "neighbours", "ratio_interval")
"""The entries of the evaluation's protocol on which a ratio depends. Classifier and seed are each run's own."""
OTHER_REFERENCE = "test images"


@dataclass(frozen=True)
class Pair:
    """A figure of both runs. judgement: which is better, where they can be compared and their intervals are apart."""

    this: Figure
    other: Figure
    judgement: str


@dataclass(frozen=True)
class Difference:
    """A setting, or a file, that the two runs do not share."""

    name: str
    this: str
    other: str


@dataclass(frozen=True)
class Comparison:
    """A run beside another one. name: of the other; words: the verdicts; samples: pictures, where they are known."""

    name: str
    words: tuple[str, str]
    pairs: list[Pair]
    params: list[Difference]
    outs: list[Difference]
    same_outs: int
    samples: tuple[Picture, Picture | None]
    curves: Drawn


def pairs(this: Measured, other: Measured, same_reference: bool) -> list[Pair]:
    """The figures that both runs have. same_reference: whether both are of the same test images."""
    theirs = {figure.name: figure for figure in figures(other)}
    found = []
    for mine in figures(this):
        if mine.name in theirs:
            differing = other_protocol(this, other, mine.name) if same_reference else [OTHER_REFERENCE]
            reason = f"not compared (other {', '.join(differing)})" if differing else None
            found.append(Pair(mine, theirs[mine.name], reason or judgement(mine, theirs[mine.name])))
    return found


def other_protocol(this: Measured, other: Measured, name: str) -> list[str]:
    """The entries in which the protocols of a figure differ: such figures do not compare."""
    mine, theirs = _protocol(this, name), _protocol(other, name)
    return [key for key in mine if mine[key] != theirs.get(key)]


def _protocol(measured: Measured, name: str) -> dict[str, Any]:
    """What the ratio of a figure depends on beside the samples, as far as two runs have to share it."""
    judged = measured.two_sample.protocol
    if name == "cas":
        assert not isinstance(measured.usefulness, Undefined)
        used = measured.usefulness.protocol
        return {
            "num_images": used.num_images,
            "real_digits": used.real_digits,
            "reference": used.reference,
            "recipe": measured.usefulness.real_digits.recipe,
        }
    if name == "fd_second":
        second = judged.fd_second
        return {"num_images": second.num_images, "num_train": second.num_train} if second else {}
    if name in JUDGES:
        return {"counts": judged.counts.get(name), "labels": judged.labels, "recipe": judged.recipe}
    return {key: getattr(measured.evaluation.protocol, key) for key in EVALUATED}


def judgement(this: Figure, other: Figure) -> str:
    """Which one is better, by the ratios to the floor, each run's own, because another classifier has another scale.

    Where the intervals overlap, nothing is said to be better.
    """
    mine, theirs = this.entry.ratio_interval, other.entry.ratio_interval
    if not mine or not theirs or None in mine or None in theirs:
        return "not compared (an interval is open)"
    (low, high), (other_low, other_high) = mine, theirs
    assert low is not None
    assert high is not None
    assert other_low is not None
    assert other_high is not None
    if low <= other_high and other_low <= high:
        return "no clear difference"
    is_lower_better = EVERY[this.name].direction == "lower" if this.name in EVERY else this.name in LOWER
    return "better" if (high < other_low) == is_lower_better else "worse"


def differences(this: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """The keys of two nested mappings whose values differ, or that only one has."""
    mine, theirs = flat(dict(this)), flat(dict(other))
    return [
        Difference(key, mine.get(key, "–"), theirs.get(key, "–"))  # noqa: RUF001 (a dash in a table)
        for key in [*mine, *(key for key in theirs if key not in mine)]
        if mine.get(key) != theirs.get(key)
    ]
