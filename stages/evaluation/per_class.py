"""The figures of one class: the distances of its samples to the test digits of that class, and who recognises them.

All stand beside real digits of that class in the samples' place, as the figures of all classes do.
"""

from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

from stages.common.records import Record
from stages.evaluation.beside_floor import FEW_IN_HALVES, MetricEntry, metric_entry
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.evaluation.registry import METRICS, Metric
from stages.evaluation.scores import Score
from stages.metrics.classes import class_histogram
from stages.metrics.resampling import Resampler

LEAST_IN_CLASS = 3
"""What the standard error of the kernel distance needs; a share of fewer would say nothing."""
TOO_FEW = f"fewer than {LEAST_IN_CLASS} images of this class on one side"


class ClassDetails(Record):
    """One class: how many samples have it as their label and are recognised as it, and its figures.

    num_images: the count of the distances. metrics: fd_classifier, kd_classifier and gan_test_accuracy.
    """

    name: str = Field(alias="class")
    labelled: int = Field(alias="asked")
    recognised: int
    num_images: int
    metrics: dict[str, MetricEntry]

    @property
    def accuracy(self) -> float | None:
        """The share of its samples that are recognised as it; None for samples without labels, or too few."""
        return self.metrics["gan_test_accuracy"].value

    @property
    def distance_ratio(self) -> float | None:
        """How many times the floor its distance is; None where that is not known."""
        return self.metrics["fd_classifier"].ratio


def class_details(names: list[str], comparisons: Comparisons) -> list[ClassDetails]:
    """The figures of each class beside those of real digits.

    The class of a sample is its label, or the recognised one if it has none. The distances are those of the first
    samples of the class and as many validation digits. At some 1,000 images the bias of fd is large, and larger for the
    classes with more variance: only the ratio to the floor compares classes.
    """
    candidate = comparisons.samples.candidate
    recognised = class_histogram(candidate.recognised, len(names)).tolist()
    labelled = [0] * len(names)
    if candidate.labels is not None:
        labelled = class_histogram(candidate.labels, len(names)).tolist()
    details = []
    for label, name in enumerate(names):
        own = _of_class(comparisons, label)
        count = min(len(own.samples.candidate.features), len(own.floor.candidate.features))
        details.append(
            ClassDetails(
                name=name,
                labelled=labelled[label],
                recognised=recognised[label],
                num_images=count,
                metrics=_entries(own, count, Resampler(comparisons.samples.seed, f"class_{label}.")),
            )
        )
    return details


def _entries(own: Comparisons, count: int, resampler: Resampler) -> dict[str, MetricEntry]:
    """The entries of one class, from its images alone; these are resampled by themselves, as many as there are."""
    samples, floor = (_with_first(comparison, count) for comparison in (own.samples, own.floor))
    at_count = replace(own, samples=samples, floor=floor)
    return {
        "fd_classifier": _entry(_DISTANCES[0], at_count, resampler),
        "kd_classifier": _entry(_DISTANCES[1], at_count, resampler),
        "gan_test_accuracy": _entry(_ACCURACY, own, resampler),
    }


def _entry(metric: Metric, own: Comparisons, resampler: Resampler) -> MetricEntry:
    at_halves = metric(own.halves) if own.halves else Score(None, undefined=FEW_IN_HALVES)
    return metric_entry(metric(own.samples), metric(own.floor), at_halves, resampler)


def _need_both(comparison: Comparison) -> str | None:
    return TOO_FEW if min(len(features) for features in comparison.features) < LEAST_IN_CLASS else None


def _need_candidates(comparison: Comparison) -> str | None:
    return TOO_FEW if len(comparison.candidate.recognised) < LEAST_IN_CLASS else None


_DISTANCES = [replace(METRICS[name], needs=(_need_both,)) for name in ("fd_classifier", "kd_classifier")]
_ACCURACY = replace(METRICS["gan_test_accuracy"], needs=(*METRICS["gan_test_accuracy"].needs, _need_candidates))


def _with_first(comparison: Comparison, count: int) -> Comparison:
    return replace(comparison, candidate=comparison.candidate.select(torch.arange(count)))


def _of_class(comparisons: Comparisons, label: int) -> Comparisons:
    """The same comparisons of one class's images alone."""

    def own(comparison: Comparison) -> Comparison:
        reference, candidate = comparison.reference, comparison.candidate
        return replace(
            comparison,
            reference=reference.select(_rows(reference.labels_or_recognised, label)),
            candidate=candidate.select(_rows(candidate.labels_or_recognised, label)),
        )

    halves = own(comparisons.halves) if comparisons.halves else None
    return Comparisons(own(comparisons.samples), own(comparisons.floor), halves)


def _rows(classes: Tensor, label: int) -> Tensor:
    return torch.nonzero(classes == label).squeeze(1)
