"""The tables of an evaluation: the figures of metrics.json, metrics for the terminal, counts of classes, confusions."""

from typing import Any

import pandas as pd
from torch import Tensor

from stages.common.records import Undefined
from stages.evaluation.beside_floor import MetricEntry
from stages.evaluation.embedded import Embedded
from stages.evaluation.papers import PaperEntry
from stages.evaluation.registry import EVERY
from stages.metrics.classes import class_histogram


def shown_figures(chosen: list[str], entries: dict[str, MetricEntry]) -> tuple[dict[str, float], dict[str, str]]:
    """What metrics.json holds of the chosen metrics, and why it leaves out those without a figure; both by its keys."""
    figures, left_out = {}, {}
    for metric in (EVERY[name] for name in chosen):
        entry = entries[metric.name]
        figure = entry.ratio if metric.is_shown_as_ratio else entry.value
        if figure is None:
            left_out[metric.shown_name] = entry.undefined["ratio" if metric.is_shown_as_ratio else "value"]
        else:
            figures[metric.shown_name] = figure
    return figures, left_out


def summary(entries: dict[str, MetricEntry], papers: dict[str, PaperEntry | Undefined]) -> str:
    """For the terminal: a table with value, floor, ratio, its interval and halves of each metric; a line a paper."""
    columns = ["value", "floor", "ratio", "from", "to", "halves"]
    rows = []
    for entry in entries.values():
        low, high = entry.ratio_interval or (None, None)
        figures = entry.value, entry.floor, entry.ratio, low, high, entry.halves
        rows.append(["-" if figure is None else f"{figure:.4g}" for figure in figures])
    table = pd.DataFrame(rows, index=pd.Index(entries), columns=columns).to_string()
    measured = [f"{name}: {entry.words}" for name, entry in papers.items() if isinstance(entry, PaperEntry)]
    return "\n".join([table, *measured])


def class_table(names: list[str], samples: Embedded, floor: Embedded) -> pd.DataFrame:
    """How many samples, and how many real digits in their place, have each class as label and are recognised as it."""
    columns: dict[str, list[Any]] = {"class": names}
    for prefix, digits in (("", samples), ("validation_", floor)):
        columns[f"{prefix}asked"] = _counts(digits.labels, len(names))
        columns[f"{prefix}recognised"] = _counts(digits.recognised, len(names))
    return pd.DataFrame(columns)


def confusion_rows(names: list[str], samples: Embedded) -> pd.DataFrame:
    """A row for each sample: its label and the class recognised. DVC's template `confusion` counts the rows."""
    labels = [] if samples.labels is None else samples.labels.tolist()
    recognised = samples.recognised.tolist()[: len(labels)]
    columns = {"asked": labels, "recognised": recognised}
    return pd.DataFrame({column: [names[label] for label in classes] for column, classes in columns.items()})


def _counts(classes: Tensor | None, num_classes: int) -> list[int]:
    return [0] * num_classes if classes is None else class_histogram(classes, num_classes).tolist()
