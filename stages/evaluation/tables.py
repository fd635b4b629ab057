"""How an evaluation is told: the details, tables of classes and of confusions, as contents of files."""

from dataclasses import asdict
from typing import Any

import pandas as pd
from torch import Tensor

from stages.evaluation.beside_floor import FEW_IN_HALVES
from stages.evaluation.registry import NO_TRAINING, Comparison, Embedded
from stages.metrics.classes import balance_test, class_histogram, same_classes_test
from stages.metrics.memorisation import LEAST_IN_CELL, percentiles

ONE_CLASS = "there is one class alone"
PERCENTILES = (0, 0.1, 1, 10, 50, 90, 100)


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


def confusion_rows(names: list[str], samples: Embedded) -> pd.DataFrame:
    """A row for each sample: the class asked for and that recognised. DVC's template `confusion` counts the rows."""
    asked = [] if samples.labels is None else samples.labels.tolist()
    recognised = samples.recognised.tolist()[: len(asked)]
    columns = {"asked": asked, "recognised": recognised}
    return pd.DataFrame({column: [names[label] for label in labels] for column, labels in columns.items()})


def class_tests(samples: Comparison, floor: Comparison, halves: Comparison | None) -> dict[str, Any]:
    """Chi-square tests of recognised classes: of the samples, of real digits in their place, of half the test digits.

    against_balanced: equal shares; against_test: the shares recognised in the test digits, or in their other half.
    Where there is no test, for one class or for halves that are too few (None), it says why.
    """
    sets = {"": samples, "floor_": floor, "halves_": halves}
    return {prefix + name: test for prefix, one in sets.items() for name, test in _class_tests_of(one).items()}


def _class_tests_of(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {name: {"undefined": FEW_IN_HALVES} for name in ("against_balanced", "against_test")}
    sets = comparison.candidate.recognised, comparison.reference.recognised
    histogram, reference = (class_histogram(labels, comparison.num_classes) for labels in sets)
    tests = {"against_balanced": balance_test(histogram), "against_test": same_classes_test(histogram, reference)}
    return {name: asdict(test) if test else {"undefined": ONE_CLASS} for name, test in tests.items()}


def memorisation_details(
    names: list[str], samples: Comparison, floor: Comparison, halves: Comparison | None
) -> dict[str, Any]:
    """How the samples lie to the training digits, beside validation digits (the floor) and test digits.

    cells: the statistics of three_sample_test by recognised class; halves there is one half of the test digits against
    the other, None if they are too few. copies: how many lie at distance 0.
    """
    sets = {"samples": samples.candidate, "floor": floor.candidate, "test": samples.reference}
    found = {name: one.closeness for name, one in sets.items() if one.closeness is not None}
    if len(found) < len(sets):
        return {"undefined": NO_TRAINING}
    return {
        "distance_percentiles": {
            "percent": list(PERCENTILES),
            **{name: percentiles(one.distances, PERCENTILES) for name, one in found.items()},
        },
        "copies": {name: int((one.nearest == 0).sum()) for name, one in found.items()},
        "cells": _cells(names, {"value": samples, "floor": floor, "halves": halves}),
    }


def _cells(names: list[str], comparisons: dict[str, Comparison | None]) -> list[dict[str, Any]]:
    """Of each class its statistic in each of the comparisons, and why where it has none."""
    tests = {key: comparison.copy_test if comparison else None for key, comparison in comparisons.items()}
    few = f"fewer than {LEAST_IN_CELL} images of this class on one side"
    reasons = {key: few if comparison else FEW_IN_HALVES for key, comparison in comparisons.items()}
    cells = []
    for label, name in enumerate(names):
        values = {key: test.cells[label] if test else None for key, test in tests.items()}
        undefined = {key: reasons[key] for key, value in values.items() if value is None}
        cells.append({"class": name, **values, "undefined": undefined})
    return cells


def _counts(labels: Tensor | None, num_classes: int) -> list[int]:
    return [0] * num_classes if labels is None else class_histogram(labels, num_classes).tolist()


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
