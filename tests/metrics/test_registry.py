"""Every metric falls or rises as it should when real digits are damaged in a known way; and a metric is one entry."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from stages.common import draws
from stages.metrics import neighbours
from stages.metrics.registry import METRICS, Comparison, Embedded

NUM_CLASSES = 10
F = 6
SHARED_WORK = ("precision", "recall", "density", "coverage")


def digits(purpose: str, n: int = 1000) -> Embedded:
    """Ten well separated normal clouds, a class each; recognised without a mistake."""
    labels = torch.arange(n) % NUM_CLASSES
    centres = 8 * draws.normal(0, "centres", 0, (NUM_CLASSES, F))
    return Embedded(centres[labels] + draws.normal(0, purpose, 0, (n, F)), labels, labels)


def with_noise(whole: Embedded) -> Embedded:
    noise = 2 * draws.normal(0, "noise", 0, tuple(whole.features.shape))
    return dataclasses.replace(whole, features=whole.features + noise)


def collapsed(whole: Embedded) -> Embedded:
    """As many digits, all of class 0."""
    more = digits("one class", NUM_CLASSES * len(whole.features))
    return Embedded(more.features[::NUM_CLASSES], more.recognised[::NUM_CLASSES], whole.labels)


def without_class_3(whole: Embedded) -> Embedded:
    """Class 3 shows class 4 in its place."""
    source = torch.where(whole.recognised == 3, torch.arange(1000) + 1, torch.arange(1000))
    return Embedded(whole.features[source], whole.recognised[source], whole.labels)


def with_labels_swapped(whole: Embedded) -> Embedded:
    assert whole.labels is not None
    return dataclasses.replace(whole, labels=(whole.labels + 1) % NUM_CLASSES)


def scores(candidate: Embedded, reference: Embedded | None = None) -> dict[str, float]:
    comparison = Comparison(reference or digits("reference"), candidate, NUM_CLASSES, k=5)
    values = {name: metric(comparison).value for name, metric in METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


RISE, FALL, STAY = "rises", "falls", "stays"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (with_noise, {"fd_classifier": RISE, "precision": FALL, "density": FALL, "gan_test_accuracy": STAY}),
        (collapsed, {"fd_classifier": RISE, "recall": FALL, "coverage": FALL, "precision": STAY}),
        (collapsed, {"kd_classifier": RISE, "class_imbalance": RISE, "gan_test_accuracy": FALL}),
        (without_class_3, {"fd_classifier": RISE, "kd_classifier": RISE, "coverage": FALL, "class_imbalance": RISE}),
        (without_class_3, {"precision": STAY, "gan_test_accuracy": FALL}),
        (with_labels_swapped, {"gan_test_accuracy": FALL}),
        (with_labels_swapped, dict.fromkeys(METRICS.keys() - {"gan_test_accuracy"}, STAY)),
    ],
)
def test_damage_is_seen_in_the_right_direction(
    damage: Callable[[Embedded], Embedded], expected: dict[str, str]
) -> None:
    before, after = scores(digits("candidate")), scores(damage(digits("candidate")))
    found = {}
    for name in expected:
        change = after[name] - before[name]
        found[name] = STAY if math.isclose(change, 0, abs_tol=0.05) else RISE if change > 0 else FALL
    assert found == expected


def test_sizes_of_known_damages() -> None:
    dropped = scores(without_class_3(digits("candidate")))
    assert dropped["gan_test_accuracy"] == 0.9
    torch.testing.assert_close(dropped["class_imbalance"], 0.1)
    assert dropped["coverage"] <= 0.9


def test_identical_sets() -> None:
    reference = digits("reference")
    found = scores(reference, reference)
    assert found["precision"] == found["recall"] == found["coverage"] == found["gan_test_accuracy"] == 1
    assert found["density"] == 6 / 5
    assert found["kd_classifier"] < 0  # unbiased: the pairs (x, x) count across the sets, not within
    torch.testing.assert_close([found["fd_classifier"], found["class_imbalance"]], [0.0, 0.0], rtol=0, atol=1e-9)


def test_four_metrics_share_one_comparison_of_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = neighbours.neighbourhoods

    def counted(*args: Any) -> neighbours.Neighbourhoods:
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(neighbours, "neighbourhoods", counted)
    comparison = Comparison(digits("reference", 50), digits("candidate", 40), NUM_CLASSES, k=5)
    for name in SHARED_WORK:
        METRICS[name](comparison)
    assert len(calls) == 1


def test_without_asked_classes_only_gan_test_accuracy_is_undefined() -> None:
    unlabelled = dataclasses.replace(digits("candidate", 40), labels=None)
    found = {
        name: metric(Comparison(digits("reference", 50), unlabelled, NUM_CLASSES, 5))
        for name, metric in METRICS.items()
    }
    undefined = {name: score.undefined for name, score in found.items() if score.value is None}
    assert list(undefined) == ["gan_test_accuracy"]
    assert "no class was asked for" in str(undefined["gan_test_accuracy"])


def test_only_the_kernel_distance_knows_its_standard_error() -> None:
    comparison = Comparison(digits("reference", 50), digits("candidate", 40), NUM_CLASSES, 5)
    assert [name for name, metric in METRICS.items() if metric(comparison).standard_error] == ["kd_classifier"]
