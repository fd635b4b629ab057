"""All figures of one evaluation: of samples, of validation digits in their place, of halves of the test digits."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from stages.common import draws
from stages.metrics import report
from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance
from stages.metrics.memorisation import closeness
from stages.metrics.per_class import class_distances
from stages.metrics.registry import METRICS, Comparison, Embedded, Score
from stages.metrics.resampling import Resampler


def compare_all(
    seen: dict[str, Embedded], num_classes: int, k: int, seed: int, least: int
) -> tuple[Comparison, Comparison, Comparison | None]:
    """The samples against the test digits; validation digits against them, the floor; one half of them to the other.

    seen: train, test, validation and samples; the last two of one length. No halves (None) below `least` images.
    """
    names = ("test", "validation", "samples")
    found = closeness(seen["train"].features, *(seen[name].features for name in names))
    test, validation, samples = (replace(seen[name], closeness=one) for name, one in zip(names, found, strict=True))

    def compare(reference: Embedded, candidate: Embedded) -> Comparison:
        return Comparison(reference, candidate, num_classes, k, seed)

    order = draws.permutation(seed, "evaluate.halves", 0, len(test.features))
    one, other = (test.select(half.sort().values) for half in order.tensor_split(2))
    halves = compare(one, other) if len(other.features) >= least else None
    return compare(test, samples), compare(test, validation), halves


def measure_inception(test: Tensor, validation: Tensor, samples: Tensor) -> dict[str, Any]:
    """FID and KID of Inception features [N, 2048], samples against test digits; the floor from validation digits."""
    metrics = {
        "fid": lambda candidate: Score(frechet_distance(test, candidate)),
        "kid": lambda candidate: Score(kernel_distance(test, candidate).value),
    }
    return {name: report.metric_entry(metric(samples), metric(validation)) for name, metric in metrics.items()}


def measure(samples: Comparison, floor: Comparison, halves: Comparison | None, names: list[str]) -> dict[str, Any]:
    """The figures, as the details tell them; names: those of the classes."""
    resampler = Resampler(samples.seed)
    entries = {}
    for name, metric in METRICS.items():
        at_halves = metric(halves) if halves else None
        entries[name] = report.metric_entry(metric(samples), metric(floor), at_halves, resampler)
    classes = report.class_details(names, samples)
    distances = class_distances(samples, floor)
    return {
        "metrics": entries,
        "classes": [one | {"distances": two} for one, two in zip(classes, distances, strict=True)],
        "class_tests": report.class_tests(samples, floor),
        "memorisation": report.memorisation_details(names, samples, floor),
    }
