"""Metrics beside their floors as rows of a table, with the ratio and its interval as a picture."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markupsafe import Markup

from stages.common.records import Undefined
from stages.evaluation.beside_floor import BesideFloor
from stages.evaluation.cas import CasDetails
from stages.evaluation.details import Details
from stages.evaluation.registry import EVERY
from stages.evaluation.two_sample_details import TwoSampleDetails

LEAST, MOST = 0.25, 4.0
"""Ends of the axis of ratios, which is logarithmic, so that half and twice the floor are as far from it."""
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0)
POINT = 'class="point" d="M-4 -6 7 0 -4 6Z"'
INTERVAL = 'class="interval end" d="M-5 -5 2 0 -5 5"'
"""Arrows of what lies beyond the axis."""
LARGE = 1000
"""From here on figures have no decimals, and no power of ten either."""
CAS = "test images recognised by a classifier that saw samples alone, beside one that saw real images; higher is better"
JUDGES = {
    "two_sample": "how often a network that learned to tell samples from training images is right; 0.5 is the best",
    "two_sample_thresholded": "the same where every pixel is black or white",
    "two_sample_features": "the same of a linear judge of the classifier's features",
}
OTHER_FLOORS = (
    "Of cas, the floor learned from training images; of two_sample, from far fewer images than the judges of the "
    "samples: compare its value with 0.5."
)
"""Which floors are not those of validation images in the samples' place."""
SECOND = "Fréchet distance on another network's features; lower is better"
MAIN = (
    "fd_classifier",
    "kd_classifier",
    "precision",
    "recall",
    "coverage",
    "gan_test_accuracy",
    "modes_found",
    "reverse_kl",
    "fid",
    "kid",
)
"""Of the evaluation, those in the picture; the others are in the full table."""


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    name: str
    meaning: str
    entry: BesideFloor

    @property
    def value(self) -> str:
        """Of the samples."""
        return number(self.entry.value)

    @property
    def floor(self) -> str:
        """Of real digits in their place."""
        return number(self.entry.floor)

    @property
    def ratio(self) -> str:
        """To the floor."""
        return "–" if self.entry.ratio is None else _ratio(self.entry.ratio)  # noqa: RUF001 (a dash in a table)

    @property
    def interval(self) -> str:
        """Of the ratio, 95 %."""
        if self.entry.ratio_interval is None:
            return ""
        return " to ".join("open" if bound is None else _ratio(bound) for bound in self.entry.ratio_interval)

    @property
    def why_undefined(self) -> str:
        """Why there is no value, or no ratio."""
        return self.entry.undefined.get("value") or self.entry.undefined.get("ratio", "")

    def picture(self) -> Markup:
        """The ratio as a point and its interval as a line, along the axis of ratios; empty without a ratio.

        What lies beyond the axis is an arrow at its end: full for the ratio, of lines for the interval.
        """
        if self.entry.ratio is None:
            return Markup()
        ratio = self.entry.ratio
        low, high = self.entry.ratio_interval or (ratio, ratio)
        words = f"ratio {self.ratio}" + ("" if LEAST <= ratio <= MOST else ", beyond the axis")
        words += f", interval {self.interval}" if self.interval else ""
        point, arrows = f'<circle class="point" cx="{place(ratio, MOST)}" cy="50%" r="5"/>', ""
        for end, bound in ((LEAST, low), (MOST, high)):
            if _is_beyond(ratio, end):
                point = _arrow(end, POINT)
            elif _is_beyond(bound, end):
                arrows += _arrow(end, INTERVAL)
        return Markup(
            f'<svg class="whisker" role="img" aria-label="{words}">{axis_lines()}'
            f'<line class="interval" x1="{place(low, LEAST)}" x2="{place(high, MOST)}" y1="50%" y2="50%"/>'
            f"{arrows}{point}</svg>"
        )


@dataclass(frozen=True)
class Measured:
    """What three stages measured. usefulness: Undefined for samples without labels."""

    evaluation: Details
    usefulness: CasDetails | Undefined
    two_sample: TwoSampleDetails


def figures(measured: Measured) -> list[Figure]:
    """Those of the picture: quality, usefulness, and what judges say."""
    metrics = measured.evaluation.metrics
    rows = [_figure(name, metrics[name]) for name in MAIN if name in metrics]
    if not isinstance(measured.usefulness, Undefined):
        rows.append(Figure("cas", CAS, measured.usefulness.metrics["cas"]))
    return [*rows, *_judged(measured.two_sample)]


def other_figures(measured: Measured) -> list[Figure]:
    """The others of the evaluation."""
    return [_figure(name, entry) for name, entry in measured.evaluation.metrics.items() if name not in MAIN]


def every_figure(measured: Measured) -> dict[str, Figure]:
    """All by name."""
    return {figure.name: figure for figure in [*figures(measured), *other_figures(measured)]}


def _judged(two_sample: TwoSampleDetails) -> Iterable[Figure]:
    for name, meaning in JUDGES.items():
        if name in two_sample.metrics:
            yield Figure(name, meaning, two_sample.metrics[name])
    yield Figure("fd_second", SECOND, two_sample.fd_second)


def _figure(name: str, entry: BesideFloor) -> Figure:
    return Figure(name, EVERY[name].explanation, entry)


def place(ratio: float | None, if_open: float) -> str:
    """Where a ratio lies along the axis, in percent of its length; beyond the axis at its end."""
    within = min(MOST, max(LEAST, if_open if ratio is None else ratio))
    return f"{100 * math.log(within / LEAST) / math.log(MOST / LEAST):.1f}%"


def _is_beyond(ratio: float | None, end: float) -> bool:
    """Whether a ratio, or a bound that is open, lies beyond this end of the axis."""
    return ratio is None or (ratio < end if end == LEAST else ratio > end)


def _arrow(end: float, path: str) -> str:
    """An arrow at an end of the axis, from a path that points right."""
    mirrored = ' transform="scale(-1 1)"' if end == LEAST else ""
    return f'<svg class="beyond" x="{place(end, end)}" y="50%"><path {path}{mirrored}/></svg>'


def _ratio(value: float) -> str:
    """A ratio or a bound of its interval: to the same digits, for with fewer it may seem to lie outside."""
    return f"{value:,.0f}" if abs(value) >= LARGE else f"{value:.3f}"


def axis_lines() -> Markup:
    """Lines at the ticks; that of the floor, 1, has a class of its own."""
    return Markup("").join(
        Markup('<line class="{}" x1="{}" x2="{}" y1="0" y2="100%"/>').format(
            "floor" if tick == 1 else "grid", place(tick, 1), place(tick, 1)
        )
        for tick in TICKS
    )


def tick_labels() -> Iterator[tuple[str, str]]:
    """Place and text of each tick."""
    for tick in TICKS:
        yield place(tick, 1), f"{tick:g}"


def number(value: float | None) -> str:
    """A figure with three or four significant digits; a dash if there is none."""
    if value is None:
        return "–"  # noqa: RUF001 (a dash in a table)
    if abs(value) >= LARGE:
        return f"{value:,.0f}"
    return f"{value:.4f}" if 0.9 <= abs(value) < 1 else f"{value:.3g}"
