"""Which class was asked for and which was recognised, as a table that shades its cells."""

import math
from collections import Counter
from dataclasses import dataclass

import pandas as pd

MOST_CLASSES = 30
"""Of more, a table would not fit; the picture of stage evaluate shows them."""
SHADES = 8


@dataclass(frozen=True)
class Cell:
    """count: samples; shade: 0 for none, up to SHADES, by the logarithm, for few mistakes among many are to be seen."""

    count: int
    shade: int
    is_right: bool


@dataclass(frozen=True)
class Row:
    """The samples of one class that was asked for, by recognised class."""

    name: str
    cells: list[Cell]
    share_right: float | None


def confusion(pairs: pd.DataFrame, classes: list[str]) -> list[Row]:
    """A row for each class. pairs: one a sample, in the columns asked and recognised; empty without labels.

    Nothing if there are too many classes.
    """
    if not len(pairs) or len(classes) > MOST_CLASSES:
        return []
    counts = Counter(zip(pairs["asked"], pairs["recognised"], strict=True))
    most = max(counts.values())
    rows = []
    for asked in classes:
        cells = [_cell(counts[asked, recognised], most, asked == recognised) for recognised in classes]
        total = sum(cell.count for cell in cells)
        rows.append(Row(asked, cells, counts[asked, asked] / total if total else None))
    return rows


def _cell(count: int, most: int, is_right: bool) -> Cell:
    shade = math.ceil(SHADES * math.log1p(count) / math.log1p(most)) if count else 0
    return Cell(count, shade, is_right)
