"""The curve of quality over training: three figures of each set of samples against validation digits, and their floor.

The floor is that of other validation digits, after those of the reference.
"""

from dataclasses import dataclass

from torch import Tensor

from stages.classifier.model import Classifier
from stages.common.blocks import in_blocks
from stages.common.images import ImageSet
from stages.common.records import Record, Undefined
from stages.evaluation.protocol import Features, Split
from stages.metrics.classes import gan_test_accuracy
from stages.metrics.frechet import frechet_distance
from stages.metrics.neighbours import coverage, neighbourhoods


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
    """What every row is compared with: validation digits as features [N, F] of a classifier; k: of coverage's balls."""

    classifier: Classifier
    features: Tensor
    k: int


def measure_row(digits: ImageSet, reference: Reference) -> CurveFigures:
    """The figures of a set of images, more than k."""
    # Finite, because the features of the reference are: the weights are the same, and all images are finite.
    features = in_blocks(reference.classifier.features, digits.images)
    recognised = in_blocks(reference.classifier.head, features).argmax(dim=1)
    return CurveFigures(
        fd_classifier=frechet_distance(reference.features, features),
        coverage=coverage(neighbourhoods(reference.features, features, reference.k)).value,
        gan_test_accuracy=gan_test_accuracy(digits.labels, recognised).value if digits.has_labels else None,
    )


def measure_floor(validation: ImageSet, num_images: int, reference: Reference) -> CurveFloor | Undefined:
    """The figures of up to num_images validation digits after the num_images of the reference."""
    digits = validation.select(slice(num_images, 2 * num_images))
    if len(digits) <= max(reference.k, 1):
        return Undefined(undefined=f"{len(validation)} validation digits leave too few beside the reference")
    return CurveFloor(**dict(measure_row(digits, reference)), num_images=len(digits))
