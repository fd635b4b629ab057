"""Whether what judges samples can judge: how many real digits it recognises itself, and how many it must."""

import math
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json, remedy
from stages.common.shown import shown

BAR = "least_accuracy"
"""The key of dataset.json that holds it."""


def read_least_accuracy(path: Path) -> float:
    """The share of real digits that a judge must recognise, in [0, 1], from the dataset.json of stage normalize.

    Raises UserError if the file has none.
    """
    content = read_json(path)
    least = content.get(BAR) if isinstance(content, dict) else None
    if not isinstance(least, float) or not 0 <= least <= 1:
        raise UserError(f"{path}: {BAR}: expected a number from 0.0 to 1.0, found {shown(least)}; {remedy(path)}")
    return least


def why_no_judgement(judge: str, accuracy: float, least: float, digits: str) -> str | None:
    """Why the figures say nothing of the samples, in words that begin a line; None if the judge can judge.

    judge: what recognises accuracy of the digits (such as "test digits"), both in words; least: how many it must.
    """
    if accuracy >= least:
        return None
    return f"no judgement: {judge} recognises {_percent(accuracy)} of the {digits}, a judge needs {_percent(least)}"


def _percent(share: float) -> str:
    """Rounded down, so that what is below the bar is not shown as the bar."""
    return f"{math.floor(share * 10_000 + 1e-6) / 100:.4g} %"
