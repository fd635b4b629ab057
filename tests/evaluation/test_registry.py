"""Every metric falls or rises as it should when real digits are damaged in a known way; and a metric is one entry."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from stages.common import draws
from stages.evaluation.comparisons import Comparison
from stages.evaluation.embedded import Embedded
from stages.evaluation.registry import METRICS, PAPERS, Metric
from stages.metrics import neighbours
from stages.metrics.memorisation import closeness

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


def copied(whole: Embedded) -> Embedded:
    """Training digits, moved by next to nothing, in the samples' place."""
    training = digits("training", 3000)
    rows = torch.arange(len(whole.features))
    return dataclasses.replace(training.select(rows), features=training.features[rows] + 1e-4)


def beside_training(candidate: Embedded, reference: Embedded) -> Comparison:
    nearness = closeness(digits("training", 3000).features, candidate.features, reference.features)
    candidate, reference = (
        dataclasses.replace(each, closeness=near) for each, near in zip((candidate, reference), nearness, strict=True)
    )
    return Comparison(reference, candidate, NUM_CLASSES, k=5)


def scores(candidate: Embedded, reference: Embedded | None = None) -> dict[str, float]:
    comparison = beside_training(candidate, reference or digits("reference"))
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
        (copied, {"near_training": RISE}),
        (copied, {"c_t": FALL, "authenticity": FALL, "precision": STAY, "coverage": STAY, "gan_test_accuracy": STAY}),
        (with_noise, {"c_t": RISE, "authenticity": RISE}),
        (with_labels_swapped, {"gan_test_accuracy": FALL}),
        (with_labels_swapped, dict.fromkeys(METRICS.keys() - {"gan_test_accuracy"}, STAY)),
    ],
)
def test_damage_is_seen_in_the_right_direction(
    damage: Callable[[Embedded], Embedded], expected: dict[str, str]
) -> None:
    before, after = scores(digits("candidate")), scores(damage(digits("candidate")))
    actual = {}
    for name in expected:
        change = after[name] - before[name]
        actual[name] = STAY if math.isclose(change, 0, abs_tol=0.05) else RISE if change > 0 else FALL
    assert actual == expected


def test_sizes_of_known_damages() -> None:
    dropped = scores(without_class_3(digits("candidate")))
    assert dropped["gan_test_accuracy"] == 0.9
    torch.testing.assert_close(dropped["class_imbalance"], 0.1)
    assert dropped["coverage"] <= 0.9


def test_copies_of_training_digits_shout() -> None:
    actual = scores(copied(digits("candidate")))
    assert actual["c_t"] < -8
    assert actual["authenticity"] == 0
    assert abs(scores(digits("candidate"))["c_t"]) < 1


def test_identical_sets() -> None:
    reference = digits("reference")
    actual = scores(reference, reference)
    assert actual["precision"] == actual["recall"] == actual["coverage"] == actual["gan_test_accuracy"] == 1
    assert actual["density"] == 6 / 5
    assert actual["kd_classifier"] < 0  # unbiased: the pairs (x, x) count across the sets, not within
    exact = [actual[name] for name in ("fd_classifier", "class_imbalance", "c_t")]
    torch.testing.assert_close(exact, [0.0, 0.0, 0.0], rtol=0, atol=1e-9)


def test_four_metrics_share_one_comparison_of_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = neighbours.neighbourhoods

    def counted(*args: Any, **options: Any) -> neighbours.Neighbourhoods:
        calls.append(args)
        return original(*args, **options)

    monkeypatch.setattr(neighbours, "neighbourhoods", counted)
    comparison = Comparison(digits("reference", 50), digits("candidate", 40), NUM_CLASSES, k=5)
    for name in SHARED_WORK:
        METRICS[name](comparison)
    assert len(calls) == 1


def undefined(comparison: Comparison) -> dict[str, str]:
    values = {name: metric(comparison) for name, metric in METRICS.items()}
    return {name: str(score.undefined) for name, score in values.items() if score.value is None}


def test_without_labels_gan_test_accuracy_is_undefined() -> None:
    unlabelled = dataclasses.replace(digits("candidate", 40), labels=None)
    actual = undefined(beside_training(unlabelled, digits("reference", 100)))
    assert actual.keys() == {"gan_test_accuracy", "c_t"}
    assert "no class was asked for" in actual["gan_test_accuracy"]
    assert actual["c_t"] == "no class has 8 samples and 8 test images"


def test_without_training_digits_copying_is_undefined() -> None:
    actual = undefined(Comparison(digits("reference", 50), digits("candidate", 40), NUM_CLASSES, 5))
    assert actual == dict.fromkeys(("c_t", "authenticity", "near_training"), "not compared with the training images")


def test_too_few_samples_leave_fd_infinity_undefined() -> None:
    actual = undefined(beside_training(digits("candidate", 34), digits("reference", 1000)))
    assert actual["fd_infinity"] == "6 features need 35 samples, found 34"


def constant(n: int) -> Embedded:
    return Embedded(torch.zeros(n, F), torch.zeros(n, dtype=torch.int64), torch.zeros(n, dtype=torch.int64))


@pytest.mark.parametrize("reference", [constant(100), digits("reference", 100)])
@pytest.mark.parametrize("candidate", [constant(100), digits("candidate", 100)])
def test_constant_images_of_one_class_have_finite_values(reference: Embedded, candidate: Embedded) -> None:
    comparison = beside_training(candidate, reference)
    for name, metric in METRICS.items():
        score = metric(comparison)
        assert (score.value is None) == (score.undefined is not None), name
        assert all(math.isfinite(each) for each in (score.value, score.standard_error) if each is not None), name


BETTER = {"lower": "lower is better", "higher": "higher is better", "neither": "compare with real images"}


@pytest.mark.parametrize("registry", [METRICS, PAPERS])
def test_entries_explain_themselves(registry: dict[str, Metric]) -> None:
    for name, metric in registry.items():
        assert metric.name == name
        better = {
            "lower": "; lower is better",
            "higher": "; higher is better",
            "neither": "; compare with real images",
        }
        assert metric.explanation == metric.meaning + better[metric.direction]
        assert metric.meaning
        assert ";" not in metric.meaning
    assert len({metric.meaning for metric in registry.values()}) == len(registry)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.direction != "neither"])
def test_a_direction_is_that_from_bad_samples_to_good_ones(name: str) -> None:
    """Noisy samples are worse in fidelity; in all else those that show one class alone."""
    whole = digits("candidate")
    damaged = with_noise(whole) if name in ("precision", "density") else collapsed(whole)
    change = scores(damaged)[name] - scores(whole)[name]
    assert change > 0.05 if METRICS[name].direction == "lower" else change < -0.05


def test_near_training_counts_what_is_nearer_than_one_percent_of_the_references() -> None:
    """Of 1,000 candidates 30 are copies, and of the others as few are near as of the references, about 1 %."""
    whole, copies = digits("candidate"), copied(digits("candidate"))
    rows = torch.arange(1000)
    features = torch.where((rows < 30)[:, None], copies.features, whole.features)
    actual = scores(dataclasses.replace(whole, features=features))["near_training"]
    assert scores(whole)["near_training"] == pytest.approx(0.01, abs=0.008)
    assert actual == pytest.approx(0.03 + scores(whole)["near_training"], abs=0.004)


def test_select_takes_everything_of_an_image_along() -> None:
    whole = beside_training(digits("candidate", 50), digits("reference", 50)).candidate
    chosen = whole.select(torch.tensor([7, 3]))
    assert whole.labels is not None
    assert whole.closeness is not None
    assert chosen.labels is not None
    assert chosen.closeness is not None
    assert chosen.features.equal(whole.features[[7, 3]])
    assert chosen.recognised.equal(whole.recognised[[7, 3]])
    assert chosen.labels.equal(whole.labels[[7, 3]])
    assert chosen.closeness.nearest.equal(whole.closeness.nearest[[7, 3]])
    assert dataclasses.replace(whole, labels=None, closeness=None).select(torch.tensor([0])).closeness is None
