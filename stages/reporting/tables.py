"""Tables that the page reads, as numbers or names that it can show."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.shown import listed, one_line
from stages.reporting.content import content_of

MOST_KIMG = 1e15
"""More than any training shows."""


def read_numbers(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table that a stage wrote, those columns as float.

    Raises UserError if one is missing or holds anything but numbers; of kimg, numbers from 0 to MOST_KIMG. In the
    others numbers may be missing, or be as large as a training that diverges makes them.
    """
    return _read_table(path, columns, _numbers)


def read_names(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """The same with names, all of which are there."""
    return _read_table(path, columns, _names, dtype=str, keep_default_na=False)


def _read_table(
    path: Path, columns: tuple[str, ...], checked: Callable[[pd.Series], pd.Series], **options: Any
) -> pd.DataFrame:
    content = content_of(path)
    try:
        table = pd.read_csv(io.BytesIO(content), **options)
        if missing := [name for name in columns if name not in table]:
            raise ValueError(f"expected the column {missing[0]}, found {listed([str(name) for name in table])}")
        return table.assign(**{name: checked(table[name]) for name in columns})
    except (ValueError, OverflowError) as error:  # pandas's parsers raise subclasses of the first
        raise UserError(f"{path} is no table ({one_line(error)}); {remedy(path)}") from None


def _numbers(column: pd.Series) -> pd.Series:
    # Says which value is no number; without rows, or without any value, there is none.
    numbers = pd.to_numeric(column).astype(float)
    if column.name == "kimg":
        if numbers.isna().any():
            raise ValueError("kimg: expected a number in every row")
        if not numbers.between(0, MOST_KIMG).all():
            actual = f"{numbers.min():g} to {numbers.max():g}"
            raise ValueError(f"kimg: expected numbers from 0 to {MOST_KIMG:g}, found {actual}")
    return numbers


def _names(column: pd.Series) -> pd.Series:
    if (column.isna() | (column == "")).any():
        raise ValueError(f"{column.name}: expected a name in every row")
    return column
