"""How an evaluation is told: details, tables of classes and a picture of confusions, as contents of files."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from stages.metrics.classes import class_histogram, confusion_matrix, per_class_accuracy
from stages.metrics.registry import NO_CLASS, Comparison, Embedded, Score


def metric_entry(score: Score, floor: Score) -> dict[str, Any]:
    """What the details say of one metric: value and floor with their standard errors, and the ratio of the two.

    What has no value is None, and `undefined` says why.
    """
    ratio, undefined = None, score.undefined or floor.undefined
    if score.value is not None and floor.value is not None:
        if floor.value > 0:
            ratio = score.value / floor.value
        else:
            undefined = "no ratio to a floor that is not above 0"
    return {
        "value": score.value,
        "standard_error": score.standard_error,
        "floor": floor.value,
        "floor_standard_error": floor.standard_error,
        "ratio": ratio,
        "undefined": undefined,
    }


def summary(entries: dict[str, dict[str, Any]]) -> str:
    """A short table for the terminal: each metric with its value, floor and ratio."""
    columns = ["value", "floor", "ratio"]
    rows = [[_short(entry[column]) for column in columns] for entry in entries.values()]
    return pd.DataFrame(rows, index=pd.Index(entries), columns=columns).to_string()


def class_table(names: list[str], samples: Embedded, floor: Embedded) -> pd.DataFrame:
    """How many samples, and how many real digits in their place, each class was asked for and recognised in."""
    columns: dict[str, list[Any]] = {"class": names}
    for prefix, digits in (("", samples), ("validation_", floor)):
        columns[f"{prefix}asked"] = _counts(digits.labels, len(names))
        columns[f"{prefix}recognised"] = _counts(digits.recognised, len(names))
    return pd.DataFrame(columns)


def class_details(names: list[str], comparison: Comparison) -> list[dict[str, Any]]:
    """Of each class: its name, how many were asked for and recognised, and the share recognised as asked for."""
    digits = comparison.candidate
    accuracies: list[float | None] = [None] * len(names)
    if digits.labels is not None:
        accuracies = per_class_accuracy(confusion_matrix(digits.labels, digits.recognised, len(names)))
    counts = (_counts(digits.labels, len(names)), _counts(digits.recognised, len(names)))
    return [
        {"class": name, "asked": asked, "recognised": recognised, "accuracy": accuracy}
        for name, asked, recognised, accuracy in zip(names, *counts, accuracies, strict=True)
    ]


def confusion_rows(names: list[str], samples: Embedded) -> pd.DataFrame:
    """A row for each sample: the class asked for and that recognised. DVC's template `confusion` counts the rows."""
    asked = [] if samples.labels is None else samples.labels.tolist()
    recognised = samples.recognised.tolist()[: len(asked)]
    columns = {"asked": asked, "recognised": recognised}
    return pd.DataFrame({column: [names[label] for label in labels] for column, labels in columns.items()})


def confusion_figure(names: list[str], samples: Embedded, floor: Embedded) -> Figure:
    """The confusion matrices of the samples and of real digits in their place, side by side, in percent of a row."""
    figure = Figure(figsize=(12, 6.4), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_confusion(left, "samples", names, samples)
    _draw_confusion(right, "validation digits", names, floor)
    return figure


def _draw_confusion(axes: Axes, title: str, names: list[str], digits: Embedded) -> None:
    axes.set_title(title)
    if digits.labels is None:
        axes.text(0.5, 0.5, NO_CLASS, ha="center", va="center")
        axes.set_axis_off()
        return
    counts = confusion_matrix(digits.labels, digits.recognised, len(names)).double()
    percent = 100 * counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    axes.imshow(percent.numpy(), cmap="Blues", vmin=0, vmax=100)
    for asked, row in enumerate(percent.tolist()):
        for recognised, share in enumerate(row):
            if share >= 0.05:  # 0.0 would hide the few cells that matter
                colour = "white" if share > 50 else "black"
                axes.text(recognised, asked, f"{share:.1f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="recognised", ylabel="asked for")


def _counts(labels: Tensor | None, num_classes: int) -> list[int]:
    return [0] * num_classes if labels is None else class_histogram(labels, num_classes).tolist()


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
