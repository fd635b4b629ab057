"""The figures of one class: the distances of its samples to the test digits of that class, and who recognises them.

All stand beside real digits of that class in the samples' place, as the figures of all classes do.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from stages.evaluation.beside_floor import FEW_IN_HALVES, Score, metric_entry
from stages.evaluation.registry import METRICS, NO_CLASS, Comparison, Embedded
from stages.metrics.classes import class_histogram
from stages.metrics.resampling import Resampler

DISTANCES = ("fd_classifier", "kd_classifier")
LEAST_IN_CLASS = 3
"""What the standard error of the kernel distance needs; a share of fewer would say nothing."""
TOO_FEW = f"fewer than {LEAST_IN_CLASS} images of this class on one side"


def class_details(
    names: list[str], samples: Comparison, floor: Comparison, halves: Comparison | None
) -> list[dict[str, Any]]:
    """For each class its name, how many were asked for and recognised, and its figures beside those of real digits.

    A class of samples is the one asked for, or the one recognised if none was. num_images: the count of the distances,
    the first samples of the class and as many validation digits. At some 1,000 images the bias of fd is large, and
    larger for the classes with more variance: only the ratio to the floor compares classes.
    """
    candidate = samples.candidate
    recognised = class_histogram(candidate.recognised, len(names)).tolist()
    asked = [0] * len(names) if candidate.labels is None else class_histogram(candidate.labels, len(names)).tolist()
    details = []
    for label, name in enumerate(names):
        own = _of_class(samples, label), _of_class(floor, label), _of_class(halves, label) if halves else None
        details.append({"class": name, "asked": asked[label], "recognised": recognised[label]} | _figures(label, *own))
    return details


def _figures(label: int, samples: Comparison, floor: Comparison, halves: Comparison | None) -> dict[str, Any]:
    """The entries of one class, from its images alone; these are drawn again by themselves, as many as there are."""
    resampler = Resampler(samples.seed, f"class_{label}.")

    def entry(metric: Callable[[Comparison], Score], one: Comparison, other: Comparison) -> dict[str, Any]:
        at_halves = metric(halves) if halves else Score(None, undefined=FEW_IN_HALVES)
        return metric_entry(metric(one), metric(other), at_halves, resampler)

    count = min(len(samples.candidate.features), len(floor.candidate.features))
    at_count = [replace(one, candidate=one.candidate.select(torch.arange(count))) for one in (samples, floor)]
    metrics = {name: entry(_distance(name), *at_count) for name in DISTANCES}
    return {"num_images": count, "metrics": metrics | {"gan_test_accuracy": entry(_accuracy, samples, floor)}}


def _distance(name: str) -> Callable[[Comparison], Score]:
    def metric(comparison: Comparison) -> Score:
        sizes = [len(one.features) for one in (comparison.reference, comparison.candidate)]
        return METRICS[name](comparison) if min(sizes) >= LEAST_IN_CLASS else Score(None, undefined=TOO_FEW)

    return metric


def _accuracy(comparison: Comparison) -> Score:
    """Of the images of this class, the share that is recognised as it."""
    if comparison.candidate.labels is None:
        return Score(None, undefined=NO_CLASS)
    enough = len(comparison.candidate.labels) >= LEAST_IN_CLASS
    return METRICS["gan_test_accuracy"](comparison) if enough else Score(None, undefined=TOO_FEW)


def _of_class(comparison: Comparison, label: int) -> Comparison:
    reference, candidate = (one.select(_rows(one, label)) for one in (comparison.reference, comparison.candidate))
    return replace(comparison, reference=reference, candidate=candidate)


def _rows(digits: Embedded, label: int) -> Tensor:
    labels = digits.recognised if digits.labels is None else digits.labels
    return torch.nonzero(labels == label).squeeze(1)
