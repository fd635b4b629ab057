"""The curve of quality over training: three figures of each set of samples against validation digits, and their floor.

The floor is that of other validation digits, after those of the reference.
"""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from stages.classifier.model import Classifier, finite_features, recognised_classes
from stages.common.images import ImageSet
from stages.common.records import Record, Undefined
from stages.evaluation.protocol import Features, Split
from stages.metrics.classes import gan_test_accuracy
from stages.metrics.frechet import frechet_distance
from stages.metrics.neighbours import Radii, coverage, neighbourhoods

NEAR_FLOOR = 1.1
"""Times the floor: a distance that is called near it."""


class CurveFigures(Record):
    """The figures of one row. gan_test_accuracy: None for samples without labels."""

    fd_classifier: float
    coverage: float
    gan_test_accuracy: float | None


class CurveFloor(CurveFigures):
    """The same for real digits in the samples' place. num_images: how many they are."""

    num_images: int


class CurveFeatures(Features):
    """The same with the share of the reference's validation digits that the classifier recognises."""

    validation_accuracy: float


class CurveProtocol(Record):
    """What the rows of track.csv depend on, which a CSV of curves has no place for."""

    num_images: int
    reference: Split
    features: CurveFeatures
    neighbours: int
    seed: int
    versions: dict[str, str]


class CurveDetails(Record):
    """The content of data/track/details.json."""

    floor: CurveFloor | Undefined
    in_plain_words: str
    protocol: CurveProtocol


@dataclass(frozen=True)
class Reference:
    """What every row is compared with: validation digits as features [N, F] of a classifier.

    source: the classifier's file; accuracy: the share of those digits that it recognises; k: of coverage's balls.
    """

    classifier: Classifier
    source: Path
    features: Tensor
    accuracy: float
    k: int
    radii: Radii = field(init=False, default_factory=dict)


def reference_of(classifier: Classifier, source: Path, digits: ImageSet, k: int) -> Reference:
    """Labelled digits as the reference. Raises UserError if the classifier gives no finite numbers."""
    features = finite_features(classifier, digits.images, source)
    recognised = recognised_classes(classifier, features, source)
    return Reference(classifier, source, features, gan_test_accuracy(digits.labels, recognised).value, k)


def measure_row(digits: ImageSet, reference: Reference) -> CurveFigures:
    """The figures of a set of images, more than k. Raises UserError if the classifier gives no finite numbers."""
    features = finite_features(reference.classifier, digits.images, reference.source)
    recognised = recognised_classes(reference.classifier, features, reference.source)
    return CurveFigures(
        fd_classifier=frechet_distance(reference.features, features),
        coverage=coverage(neighbourhoods(reference.features, features, reference.k, known_radii=reference.radii)).value,
        gan_test_accuracy=gan_test_accuracy(digits.labels, recognised).value if digits.has_labels else None,
    )


def measure_floor(validation: ImageSet, num_images: int, reference: Reference) -> CurveFloor | Undefined:
    """The figures of up to num_images validation digits after the num_images of the reference."""
    digits = validation.select(slice(num_images, 2 * num_images))
    if len(digits) <= max(reference.k, 1):
        return Undefined(undefined=f"{len(validation)} validation images leave too few beside the reference")
    return CurveFloor(**dict(measure_row(digits, reference)), num_images=len(digits))


def in_plain_words(
    kimg: list[float], distances: list[float], floor: CurveFloor | Undefined, no_judgement: str | None
) -> str:
    """The curve of fd_classifier in a line: the least distance, and when it came near the floor.

    kimg, distances: of the rows, in the order of training; no_judgement: why the figures say nothing of the samples, if
    they do not. Then it is the whole line.
    """
    if no_judgement:
        return no_judgement
    least = min(distances)
    line = f"least distance {least:.3g} after {kimg[distances.index(least)]:g} kimg"
    if isinstance(floor, Undefined) or floor.fd_classifier <= 0:
        return f"{line}, without a floor to compare it with"
    near = [shown for shown, each in zip(kimg, distances, strict=True) if each <= NEAR_FLOOR * floor.fd_classifier]
    reached = f"first after {near[0]:g} kimg" if near else "at no time"
    return f"{line}, {least / floor.fd_classifier:.2f} times the floor; within {NEAR_FLOOR:g} times the floor {reached}"
