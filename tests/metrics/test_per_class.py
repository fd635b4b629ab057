"""Distances of each class, against the distances of that class taken alone."""

import dataclasses

import torch

from stages.common import draws
from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance
from stages.metrics.per_class import class_distances
from stages.metrics.registry import Comparison, Embedded

CLASSES = 3


def digits(purpose: str, counts: list[int]) -> Embedded:
    labels = torch.repeat_interleave(torch.arange(CLASSES), torch.tensor(counts))
    labels = labels[draws.permutation(0, purpose, 0, len(labels))]
    features = draws.normal(0, purpose, 0, (len(labels), 4)) + 5 * labels[:, None]
    return Embedded(features, labels, labels)


REFERENCE, SAMPLES, REAL = digits("test", [30, 40, 20]), digits("samples", [25, 20, 2]), digits("real", [20, 30, 20])


def test_each_class_is_compared_at_the_count_that_both_have() -> None:
    found = class_distances(*(Comparison(REFERENCE, one, CLASSES, k=1) for one in (SAMPLES, REAL)))
    assert [one["num_images"] for one in found] == [20, 20, 2]
    for label in (0, 1):
        reference, samples, real = (one.features[one.recognised == label] for one in (REFERENCE, SAMPLES, REAL))
        value, floor = (frechet_distance(reference, one[:20]) for one in (samples, real))
        assert found[label]["fd_classifier"] == {"value": value, "floor": floor, "ratio": value / floor}
        assert found[label]["kd_classifier"]["value"] == kernel_distance(reference, samples[:20]).value
        assert found[label]["kd_classifier"]["floor"] == kernel_distance(reference, real[:20]).value
    assert found[2] == {"num_images": 2, "undefined": "fewer than 3 samples or digits of this class"}


def test_the_class_asked_for_counts_and_if_none_was_the_one_recognised() -> None:
    assert SAMPLES.labels is not None
    swapped = dataclasses.replace(SAMPLES, labels=(SAMPLES.labels + 1) % CLASSES)
    unlabelled = dataclasses.replace(SAMPLES, labels=None)
    straight, wrong, recognised = (
        class_distances(Comparison(REFERENCE, one, CLASSES, k=1), Comparison(REFERENCE, REAL, CLASSES, k=1))
        for one in (SAMPLES, swapped, unlabelled)
    )
    assert recognised == straight
    assert wrong[1]["fd_classifier"]["value"] > 50 > straight[1]["fd_classifier"]["value"]
