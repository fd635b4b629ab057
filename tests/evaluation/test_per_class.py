"""The figures of each class, against those of that class taken alone."""

import dataclasses
from typing import Any

import pytest
import torch

from stages.common import draws
from stages.evaluation.beside_floor import FEW_IN_HALVES
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.evaluation.embedded import Embedded
from stages.evaluation.per_class import TOO_FEW, class_details
from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance
from stages.metrics.resampling import Resampler

CLASSES = 3
NAMES = ["cat", "dog", "owl"]


def digits(purpose: str, counts: list[int]) -> Embedded:
    labels = torch.repeat_interleave(torch.arange(CLASSES), torch.tensor(counts))
    labels = labels[draws.permutation(0, purpose, 0, len(labels))]
    features = draws.normal(0, purpose, 0, (len(labels), 4)) + 5 * labels[:, None]
    return Embedded(features, labels, labels)


REFERENCE, SAMPLES, REAL = digits("test", [30, 40, 20]), digits("samples", [25, 20, 2]), digits("real", [20, 30, 20])
FLOOR = Comparison(REFERENCE, REAL, CLASSES, k=1)
HALVES = Comparison(digits("one half", [9, 9, 2]), digits("other half", [9, 8, 9]), CLASSES, k=1)


def details(samples: Embedded, halves: Comparison | None = HALVES) -> list[dict[str, Any]]:
    """What the details say of each class of these samples."""
    comparisons = Comparisons(Comparison(REFERENCE, samples, CLASSES, k=1), FLOOR, halves)
    return [each.content() for each in class_details(NAMES, comparisons)]


def test_each_class_is_compared_at_the_count_that_both_have() -> None:
    classes = details(SAMPLES)
    assert [each["class"] for each in classes] == NAMES
    assert [each["num_images"] for each in classes] == [20, 20, 2]
    assert [(each["asked"], each["recognised"]) for each in classes] == [(25, 25), (20, 20), (2, 2)]
    for label in (0, 1):
        reference, samples, real = (each.features[each.recognised == label] for each in (REFERENCE, SAMPLES, REAL))
        half, other = (half.features[half.recognised == label] for half in (HALVES.reference, HALVES.candidate))
        fd, kd = (classes[label]["metrics"][name] for name in ("fd_classifier", "kd_classifier"))
        assert fd["value"] == frechet_distance(reference, samples[:20])
        assert fd["floor"] == frechet_distance(reference, real[:20])
        assert fd["halves"] == frechet_distance(half, other)
        assert fd["ratio"] == fd["value"] / fd["floor"]
        assert fd["ratio_interval"][0] < fd["ratio"]
        assert kd["value"] == kernel_distance(reference, samples[:20]).value
        assert kd["floor_standard_error"] == kernel_distance(reference, real[:20]).standard_error


def test_a_class_of_too_few_says_so_in_each_figure() -> None:
    metrics = details(SAMPLES)[2]["metrics"]
    for name in ("fd_classifier", "kd_classifier"):
        assert metrics[name]["undefined"]["value"] == metrics[name]["undefined"]["halves"] == TOO_FEW
        assert metrics[name]["value"] is metrics[name]["ratio"] is metrics[name]["halves"] is None
    accuracy = metrics["gan_test_accuracy"]
    assert (accuracy["value"], accuracy["floor"], accuracy["undefined"]["value"]) == (None, 1, TOO_FEW)
    without = details(SAMPLES, halves=None)
    assert without[0]["metrics"]["fd_classifier"]["undefined"]["halves"] == FEW_IN_HALVES


def test_accuracy_counts_all_images_labelled_as_a_class() -> None:
    assert SAMPLES.labels is not None
    recognised = SAMPLES.recognised.clone()
    rows = torch.nonzero(SAMPLES.labels == 0).squeeze(1)
    recognised[rows[20:]] = 1  # beyond the count of the distances
    classes = details(dataclasses.replace(SAMPLES, recognised=recognised))
    accuracy = classes[0]["metrics"]["gan_test_accuracy"]
    assert (accuracy["value"], accuracy["floor"], accuracy["halves"]) == (20 / 25, 1, 1)
    assert accuracy["ratio_interval"][0] < 0.8 < accuracy["ratio_interval"][1]
    assert [each["recognised"] for each in classes] == [20, 25, 2]


def test_the_label_counts_and_without_labels_the_recognised_class() -> None:
    assert SAMPLES.labels is not None
    swapped = dataclasses.replace(SAMPLES, labels=(SAMPLES.labels + 1) % CLASSES)
    unlabelled = dataclasses.replace(SAMPLES, labels=None)
    straight, wrong, recognised = (details(samples) for samples in (SAMPLES, swapped, unlabelled))
    fd = [[each["metrics"]["fd_classifier"] for each in classes] for classes in (straight, wrong, recognised)]
    assert fd[0] == fd[2]
    assert fd[1][1]["value"] > 50 > fd[0][1]["value"]
    assert [each["asked"] for each in recognised] == [0, 0, 0]
    accuracy = recognised[0]["metrics"]["gan_test_accuracy"]
    assert accuracy["value"] is None
    assert "unconditional" in accuracy["undefined"]["value"]


def test_a_class_without_samples_has_reasons_and_no_nan() -> None:
    assert SAMPLES.labels is not None
    without = SAMPLES.select(torch.nonzero(SAMPLES.labels != 1).squeeze(1))
    absent = details(without)[1]
    assert (absent["num_images"], absent["asked"]) == (0, 0)
    assert absent["metrics"]["gan_test_accuracy"]["undefined"]["value"] == TOO_FEW
    assert absent["metrics"]["gan_test_accuracy"]["floor"] == 1
    assert absent["metrics"]["fd_classifier"]["undefined"]["floor"] == TOO_FEW  # no image to compare at


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_interval_of_a_class_holds_the_usual_ratio(shift: float) -> None:
    """In 40 trials of 150 images at least as often as it says, for it errs on the wide side."""
    intervals, ratios = [], []
    for trial in range(40):
        sets = [draws.normal(trial, name, 0, (150, 8)) for name in ("test", "samples", "real")]
        sets[1] = sets[1] + shift
        labels = torch.zeros(150, dtype=torch.int64)
        reference, samples, real = (Embedded(each, labels, labels) for each in sets)
        against, floor = (Comparison(reference, each, 1, k=1, seed=trial) for each in (samples, real))
        (only,) = class_details(["cat"], Comparisons(against, floor, None))
        entry = only.metrics["fd_classifier"]
        assert entry.ratio is not None
        assert entry.ratio_interval is not None
        intervals.append(entry.ratio_interval)
        ratios.append(entry.ratio)
    usual = sum(ratios) / len(ratios)
    held = sum((low is None or low <= usual) and (high is None or usual <= high) for low, high in intervals)
    assert held >= 36


def test_each_class_is_resampled_by_itself() -> None:
    counts = [Resampler(1, part).counts("samples", 30) for part in ("class_0.", "class_1.", "class_0.")]
    assert counts[0].equal(counts[2])
    assert not counts[0].equal(counts[1])
