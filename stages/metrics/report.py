"""How an evaluation is told: the details, tables of classes and of confusions, as contents of files."""

from dataclasses import asdict
from typing import Any

import pandas as pd
from torch import Tensor

from stages.metrics.classes import (
    balance_test,
    class_histogram,
    confusion_matrix,
    per_class_accuracy,
    same_classes_test,
)
from stages.metrics.memorisation import Closeness
from stages.metrics.registry import NO_TRAINING, Comparison, Embedded, Score
from stages.metrics.resampling import Estimate, Resampler

NEAR_PERCENT = 1
"""Which percentile of the test digits' distances to the training digits counts as near."""
PERCENTILES = (0, 0.1, 1, 10, 50, 90, 100)


def metric_entry(
    score: Score, floor: Score, halves: Score | None = None, resampler: Resampler | None = None
) -> dict[str, Any]:
    """What the details say of one metric: value and floor with their standard errors, and the ratio of the two.

    ratio_interval: see Resampler, where both have influences; halves: one half of the test digits against the other.
    What has no value is None, and `undefined` says why.
    """
    ratio, interval, undefined = None, None, score.undefined or floor.undefined or score.no_ratio
    if score.value is not None and floor.value is not None and not undefined:
        if floor.value > 0:
            ratio = score.value / floor.value
            if resampler and score.influences and floor.influences:
                figures = Estimate(score.value, score.influences), Estimate(floor.value, floor.influences)
                interval = resampler.ratio_interval(*figures)
        else:
            undefined = "no ratio to a floor that is not above 0"
    return {
        "value": score.value,
        "standard_error": score.standard_error,
        "floor": floor.value,
        "floor_standard_error": floor.standard_error,
        "ratio": ratio,
        "ratio_interval": interval,
        "halves": halves.value if halves else None,
        "undefined": undefined,
    }


def summary(entries: dict[str, dict[str, Any]]) -> str:
    """A short table for the terminal: each metric with its value, floor, ratio, the interval of that, and halves."""
    columns = ["value", "floor", "ratio", "from", "to", "halves"]
    rows = []
    for entry in entries.values():
        low, high = entry["ratio_interval"] or (None, None)
        row = [entry["value"], entry["floor"], entry["ratio"], low, high, entry["halves"]]
        rows.append([_short(value) for value in row])
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


def class_tests(samples: Comparison, floor: Comparison) -> dict[str, Any]:
    """Chi-square tests of the recognised classes, of the samples and of real digits in their place; None for one class.

    against_balanced: equal shares; against_test: the shares recognised in the test digits.
    """
    found: dict[str, Any] = {}
    for prefix, comparison in (("", samples), ("floor_", floor)):
        sets = comparison.candidate.recognised, comparison.reference.recognised
        histogram, reference = (class_histogram(labels, comparison.num_classes) for labels in sets)
        for name, test in (
            ("against_balanced", balance_test(histogram)),
            ("against_test", same_classes_test(histogram, reference)),
        ):
            found[prefix + name] = asdict(test) if test else None
    return found


def memorisation_details(names: list[str], samples: Comparison, floor: Comparison) -> dict[str, Any]:
    """How the samples lie to the training digits, beside validation digits (the floor) and test digits.

    near: the share nearer to a training digit than NEAR_PERCENT of the test digits are; cells: see three_sample_test.
    """
    near, far = samples.candidate.closeness, samples.reference.closeness
    real = floor.candidate.closeness
    if near is None or far is None or real is None:
        return {"undefined": NO_TRAINING}
    limit = _percentiles(far.nearest, (NEAR_PERCENT,))[0]
    tests = [comparison.copy_test for comparison in (samples, floor)]
    cells = [test.cells if test else [None] * len(names) for test in tests]
    return {
        "distance_percentiles": {
            "percent": list(PERCENTILES),
            **{name: _percentiles(one.distances) for name, one in (("samples", near), ("floor", real), ("test", far))},
        },
        "near": {
            "value": _share_below(near, limit),
            "floor": _share_below(real, limit),
            "test": _share_below(far, limit),
        },
        "copies": {name: int((one.nearest == 0).sum()) for name, one in (("samples", near), ("floor", real))},
        "cells": [
            {"class": name, "value": value, "floor": at_floor}
            for name, value, at_floor in zip(names, *cells, strict=True)
        ],
    }


def _counts(labels: Tensor | None, num_classes: int) -> list[int]:
    return [0] * num_classes if labels is None else class_histogram(labels, num_classes).tolist()


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percentiles(values: Tensor, percentiles: tuple[float, ...] = PERCENTILES) -> list[float]:
    """Without interpolation: each is one of the values."""
    ordered = values.sort().values
    return [ordered[round(percent / 100 * (len(ordered) - 1))].item() for percent in percentiles]


def _share_below(closeness: Closeness, limit: float) -> float:
    return (closeness.nearest < limit).double().mean().item()
