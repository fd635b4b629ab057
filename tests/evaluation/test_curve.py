"""The rows of the curve over training and their floor, on a handful of images that a plain classifier sees."""

from pathlib import Path

import pytest
import torch

from stages.classifier.model import Classifier, finite_features
from stages.common import draws
from stages.common.images import NO_LABEL, ImageSet
from stages.common.initialise import initialise
from stages.common.records import Undefined
from stages.evaluation.curve import CurveFloor, Reference, in_plain_words, measure_floor, measure_row
from stages.metrics.frechet import frechet_distance
from stages.metrics.neighbours import coverage, neighbourhoods

WEIGHTS = Path("weights")


def image_set(purpose: str, n: int) -> ImageSet:
    images = draws.uniform(0, purpose, 0, (n, 1, 8, 8)) * 2 - 1
    return ImageSet(images, torch.arange(n) % 3, ["cat", "dog", "owl"])


@pytest.fixture
def classifier() -> Classifier:
    made = Classifier([1, 8, 8], num_classes=3, width=4, num_features=64)
    initialise(made, 0, "classifier")
    return made.eval()


def reference_of(classifier: Classifier, digits: ImageSet, k: int = 2) -> Reference:
    with torch.no_grad():
        return Reference(classifier, WEIGHTS, classifier.features(digits.images), 1.0, k)


def test_row_has_the_metrics_of_the_images_against_the_reference(classifier: Classifier) -> None:
    digits, samples = image_set("digits", 20), image_set("samples", 12)
    reference = reference_of(classifier, digits)
    row = measure_row(samples, reference)
    with torch.no_grad():
        features, logits = classifier.features(samples.images), classifier(samples.images)
    assert row.fd_classifier == pytest.approx(frechet_distance(reference.features, features), rel=1e-4)
    assert row.coverage == coverage(neighbourhoods(reference.features, features, 2)).value
    assert row.gan_test_accuracy == (logits.argmax(1) == samples.labels).double().mean()
    assert measure_row(digits, reference).coverage == 1
    unlabelled = ImageSet(samples.images, torch.full_like(samples.labels, NO_LABEL), samples.classes)
    assert measure_row(unlabelled, reference).content() == row.content() | {"gan_test_accuracy": None}


@pytest.mark.parametrize(("k", "num_digits", "present"), [(2, 12, 0), (2, 13, 3), (1, 11, 0), (1, 12, 2), (3, 30, 10)])
def test_floor_is_that_of_the_digits_after_the_reference(
    k: int, num_digits: int, present: int, classifier: Classifier
) -> None:
    """Ten are the reference; the floor needs more than k, and two for a covariance."""
    digits = image_set("digits", num_digits)
    reference = Reference(classifier, WEIGHTS, finite_features(classifier, digits.images[:10], WEIGHTS), 1.0, k)
    floor = measure_floor(digits, 10, reference)
    if not present:
        assert floor == Undefined(undefined=f"{num_digits} validation images leave too few beside the reference")
        return
    assert isinstance(floor, CurveFloor)
    expected = measure_row(digits.select(slice(10, 10 + present)), reference)
    assert floor.content() == expected.content() | {"num_images": present}


def floor_of(distance: float) -> CurveFloor:
    return CurveFloor(fd_classifier=distance, coverage=1.0, gan_test_accuracy=1.0, num_images=10)


@pytest.mark.parametrize(
    ("floor", "words"),
    [
        (floor_of(2.0), "1.00 times the floor; within 1.1 times the floor first after 3 kimg"),
        (floor_of(1.5), "1.33 times the floor; within 1.1 times the floor at no time"),
        (floor_of(0.0), "without a floor to compare it with"),
        (Undefined(undefined="too few"), "without a floor to compare it with"),
    ],
)
def test_words_name_the_least_distance_and_the_first_near_the_floor(floor: CurveFloor | Undefined, words: str) -> None:
    """2.2 is exactly 1.1 times 2; the last distance is neither the least nor the first."""
    line = in_plain_words([1.0, 3.0, 5.0, 7.0], [9.0, 2.2, 2.0, 2.1], floor, None)
    assert line == f"least distance 2 after 5 kimg, {words}"


def test_words_of_no_judge_are_the_reason_alone() -> None:
    assert in_plain_words([1.0], [1.0], floor_of(2.0), "no judgement: why") == "no judgement: why"
