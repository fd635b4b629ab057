"""All figures of one evaluation: of samples, of validation digits in their place, of halves of the test digits."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from stages.evaluation import tables
from stages.evaluation.beside_floor import metric_entry
from stages.evaluation.per_class import class_details
from stages.evaluation.registry import METRICS, Comparison, Embedded, Metric
from stages.metrics.memorisation import closeness
from stages.metrics.resampling import Resampler, halved

PAPERS = {"fid": METRICS["fd_classifier"], "kid": METRICS["kd_classifier"]}
"""The names that two formulas have on Inception features."""


@dataclass(frozen=True)
class Comparisons:
    """The samples against the test digits; validation digits against them, the floor; one half of them to the other.

    halves: None if they would be too few.
    """

    samples: Comparison
    floor: Comparison
    halves: Comparison | None

    def entries(self, metrics: dict[str, Metric]) -> dict[str, dict[str, Any]]:
        """What the details say of each of these metrics."""
        resampler = Resampler(self.samples.seed)
        return {
            name: metric_entry(
                metric(self.samples), metric(self.floor), metric(self.halves) if self.halves else None, resampler
            )
            for name, metric in metrics.items()
        }


def compare(seen: dict[str, Embedded], num_classes: int, k: int, seed: int, least: int) -> Comparisons:
    """The comparisons of test, validation and samples; the last two of one length. No halves below `least` images."""
    test = seen["test"]
    one, other = (test.select(half) for half in halved(seed, len(test.features)))
    return Comparisons(
        samples=Comparison(test, seen["samples"], num_classes, k, seed),
        floor=Comparison(test, seen["validation"], num_classes, k, seed),
        halves=Comparison(one, other, num_classes, k, seed) if len(other.features) >= least else None,
    )


def beside_training(seen: dict[str, Embedded], training: Tensor) -> dict[str, Embedded]:
    """The same images with their closeness to the training digits, of which training holds the features [T, F]."""
    found = closeness(training, *(one.features for one in seen.values()))
    return {name: replace(one, closeness=near) for (name, one), near in zip(seen.items(), found, strict=True)}


def measure(comparisons: Comparisons, names: list[str]) -> dict[str, Any]:
    """The figures, as the details tell them; names: those of the classes."""
    sets = comparisons.samples, comparisons.floor, comparisons.halves
    return {
        "metrics": comparisons.entries(METRICS),
        "classes": class_details(names, *sets),
        "class_tests": tables.class_tests(*sets),
        "memorisation": tables.memorisation_details(names, *sets),
    }
