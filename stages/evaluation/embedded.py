"""Images as the classifier sees them: features, recognised classes, and how they lie to the training digits."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from stages.classifier.model import Classifier, finite_features, recognised_classes
from stages.common.images import ImageSet
from stages.metrics.kernel import sums_within
from stages.metrics.memorisation import Closeness, closeness
from stages.metrics.neighbours import Radii


@dataclass(frozen=True)
class Embedded:
    """features float32 [N, F]; recognised: the classes that the classifier recognises, int64 [N].

    labels: the classes that the images are of, or are meant to be of, int64 [N]; None for samples without labels.
    closeness: how the images lie to the training digits; None if they were not compared with these.
    """

    features: Tensor
    recognised: Tensor
    labels: Tensor | None
    closeness: Closeness | None = None

    radii: Radii = field(init=False, default_factory=dict)
    """Of neighbourhoods with these features as the reference, kept for other comparisons with it."""

    @cached_property
    def kernel_sums(self) -> Tensor:
        """Of the kernel distance, each image's sum over the others: float64 [N]."""
        return sums_within(self.features.double())

    @property
    def known_labels(self) -> Tensor:
        """The labels int64 [N] of images that have labels."""
        assert self.labels is not None
        return self.labels

    @property
    def known_closeness(self) -> Closeness:
        """The closeness of images that were compared with the training digits."""
        assert self.closeness is not None
        return self.closeness

    @property
    def labels_or_recognised(self) -> Tensor:
        """The labels int64 [N]; where there are none, the recognised classes."""
        return self.recognised if self.labels is None else self.labels

    def select(self, rows: Tensor) -> "Embedded":
        """The images of these row numbers."""
        labels = None if self.labels is None else self.labels[rows]
        near = None if self.closeness is None else self.closeness.select(rows)
        return Embedded(self.features[rows], self.recognised[rows], labels, near)


def embed(classifier: Classifier, digits: ImageSet, source: Path) -> Embedded:
    """The images as the classifier of the file `source` sees them. Raises UserError if it gives no finite numbers."""
    features = finite_features(classifier, digits.images, source)
    recognised = recognised_classes(classifier, features, source)
    return Embedded(features, recognised, digits.labels if digits.has_labels else None)


def beside_training(sets: dict[str, Embedded], training: Tensor) -> dict[str, Embedded]:
    """The same images with their closeness to the training digits, whose features are training [T, F]."""
    near = closeness(training, *(embedded.features for embedded in sets.values()))
    return {name: replace(sets[name], closeness=own) for name, own in zip(sets, near, strict=True)}
