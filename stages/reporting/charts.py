"""Line charts as inline SVG. Colours come from the page's style, by class, so that they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 30
MOST_TICKS = 6
ROOM = 1.1
"""How far a logarithmic axis goes beyond the values, as a factor."""
LARGEST = 1e100
"""What can be drawn: far above what diverges in single precision, and far below where differences overflow."""
OUTSIDE = "-9,-9"
"""Where the mark is that has no place in the chart."""
FLAT = 1e-9
"""Of its values, the range of a curve that is drawn as a constant, which rounding makes of closer ones."""


@dataclass(frozen=True)
class Series:
    """A curve. name: as the legend has it; style: a class of the page's style; values: NaN where there is none.

    x: where they are, if not where the chart has its values.
    """

    name: str
    style: str
    values: Sequence[float]
    x: Sequence[float] | None = None


@dataclass(frozen=True)
class Axis:
    """Values from low to high along start to end, in the chart's units."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, rounded, so that no byte depends on the last bit."""
        low, high, at = (math.log(each) if self.is_log else each for each in (self.low, self.high, value))
        share = (at - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        """Round values within the axis."""
        return _log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high)


@dataclass(frozen=True)
class Chart:
    """Curves over one x. level: a horizontal line and its name; title: what is drawn; moving: with a mark to move."""

    title: str
    x: Sequence[float]
    series: Sequence[Series]
    level: tuple[str, float] | None = None
    is_log: bool = False
    moving: bool = False

    @property
    def is_drawn_by_logarithm(self) -> bool:
        """Whether the axis of y is logarithmic: asked for, and possible with these values."""
        return self.axes()[1].is_log

    def axes(self) -> tuple[Axis, Axis]:
        """Of x and y, wide enough for all that is drawn."""
        known = [value for each in self.series for value in each.values if is_drawn(value)]
        known += [self.level[1]] if self.level and is_drawn(self.level[1]) else []
        is_log = self.is_log and min(known, default=0) >= 1 / LARGEST
        low, high = min(known, default=0), max(known, default=1)
        if is_log:
            low, high = low / ROOM, high * ROOM
        elif high - low <= max(FLAT * max(abs(low), abs(high)), 1 / LARGEST):
            low, high = low - max(1, abs(low) / 2), high + max(1, abs(high) / 2)
        places = [place for each in self.series for place in each.x or self.x]
        horizontal = Axis(min([0.0, *places]), max([1e-9, *places]), LEFT, WIDTH - RIGHT)
        return horizontal, Axis(low, high, HEIGHT - BOTTOM, TOP, is_log)

    def svg(self) -> Markup:
        """The chart as an element, with its content in words for those who do not see it."""
        horizontal, vertical = self.axes()
        parts = [*_grid(horizontal, vertical)]
        if self.level and is_drawn(self.level[1]):
            y = vertical.place(self.level[1])
            parts.append(f'<path class="level" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts += [
            f'<path class="line {each.style}" d="{_path(each.x or self.x, each.values, horizontal, vertical)}"/>'
            for each in self.series
        ]
        if self.moving:
            points = [
                f"{horizontal.place(x)},{vertical.place(y)}" if is_drawn(y) else OUTSIDE
                for x, y in zip(self.x, self.series[0].values, strict=True)
            ]
            cx, cy = OUTSIDE.split(",")
            parts.append(f'<circle class="mark" r="5" cx="{cx}" cy="{cy}" data-points="{" ".join(points)}"/>')
        return Markup(
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.in_words())}">'
            f"{''.join(parts)}</svg>"
        )

    def in_words(self) -> str:
        """What the curves do, from their first value to their last."""
        parts = [
            f"{each.name} from {_first(each.values):.3g} to {_first(each.values[::-1]):.3g}" for each in self.series
        ]
        if self.level:
            parts.append(f"{self.level[0]} {self.level[1]:.3g}")
        kind = ", on a logarithmic axis" if self.is_drawn_by_logarithm else ""
        return f"{self.title}{kind}: {'; '.join(parts)}"


def is_drawn(value: float) -> bool:
    """Whether a value has a place in a chart: where it is NaN, infinite or larger, a curve is broken."""
    return abs(value) <= LARGEST


def _first(values: Sequence[float]) -> float:
    return next((value for value in values if is_drawn(value)), math.nan)


def _path(x: Sequence[float], y: Sequence[float], horizontal: Axis, vertical: Axis) -> str:
    """The curve, broken where there is no value."""
    text, is_drawing = "", False
    for at, value in zip(x, y, strict=True):
        if is_drawn(value):
            text += f"{'L' if is_drawing else 'M'}{horizontal.place(at):g} {vertical.place(value):g}"
        is_drawing = is_drawn(value)
    return text


def _grid(horizontal: Axis, vertical: Axis) -> list[str]:
    """Lines and labels of the axes."""
    parts = []
    for value in vertical.ticks:
        y = vertical.place(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:g}" text-anchor="end">{value:g}</text>')
    for value in horizontal.ticks:
        x = horizontal.place(value)
        parts.append(f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    step = _round_step((high - low) / MOST_TICKS)
    first = math.ceil(low / step - 1e-9)
    digits = max(12, 2 - math.floor(math.log10(step)))
    return [round(step * i, digits) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        if len(ticks) <= MOST_TICKS:
            break
    ticks = ticks[:: max(1, -(-len(ticks) // MOST_TICKS))]  # powers apart, where what diverged spans many of them
    return ticks if len(ticks) > 1 else _ticks(low, high)
