"""The figures of a measurement: medians over the rounds with their range, as rows of one long table."""

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True)
class Figure:
    """One row. group: the table that it belongs to; case: the row there; unit: the column there.

    value: the median; low, high: the smallest and largest of all rounds.
    """

    group: str
    case: str
    unit: str
    value: float
    low: float
    high: float


def figure(group: str, case: str, unit: str, values: Sequence[float]) -> Figure:
    """The figure of these values, one for each round, at least one."""
    return Figure(group, case, unit, statistics.median(values), min(values), max(values))


def ratios(values: Sequence[float], rival: Sequence[float]) -> list[float]:
    """values / rival, round by round: other load on the machine affects both alike."""
    return [own / other for own, other in zip(values, rival, strict=True)]


def csv_text(figures: Iterable[Figure]) -> str:
    """All figures as CSV, with four significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Figure))
    for row in figures:
        group, case, unit, *numbers = astuple(row)
        writer.writerow([group, case, unit, *(f"{number:.4g}" for number in numbers)])
    return text.getvalue()
