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


class CurveFigures(Record):
    """The figures of one row. gan_test_accuracy: None for samples without labels."""

    fd_classifier: float
    coverage: float
    gan_test_accuracy: float | None


class CurveFloor(CurveFigures):
    """The same for real digits in the samples' place. num_images: how many they are."""

    num_images: int


class CurveProtocol(Record):
    """What the rows of track.csv depend on, which a CSV of curves has no place for."""

    num_images: int
    reference: Split
    features: Features
    neighbours: int
    seed: int
    versions: dict[str, str]


class CurveDetails(Record):
    """The content of data/track/details.json."""

    floor: CurveFloor | Undefined
    protocol: CurveProtocol


@dataclass(frozen=True)
class Reference:
    """What every row is compared with: validation digits as features [N, F] of a classifier.

    source: the classifier's file; k: of coverage's balls.
    """

    classifier: Classifier
    source: Path
    features: Tensor
    k: int
    radii: Radii = field(init=False, default_factory=dict)


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
        return Undefined(undefined=f"{len(validation)} validation digits leave too few beside the reference")
    return CurveFloor(**dict(measure_row(digits, reference)), num_images=len(digits))
