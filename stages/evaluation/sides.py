"""Real digits and candidates side by side, with as many of every class, to be told apart."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stages.common.errors import UserError
from stages.common.images import ImageSet

SIDES = ["real", "candidate"]
LEAST_IMAGES = 2
"""Of each side among the images tested, for a standard error."""


@dataclass(frozen=True)
class Sides:
    """Images to learn from and others to be tested on; of each the digits and the candidates, in equal number."""

    train_real: ImageSet
    train_candidates: ImageSet
    test_real: ImageSet
    test_candidates: ImageSet

    @property
    def to_learn(self) -> ImageSet:
        """What a judge learns from: label 0 for a real digit, 1 for a candidate."""
        real, candidates = self.train_real.images, self.train_candidates.images
        labels = torch.arange(2).repeat_interleave(torch.tensor([len(real), len(candidates)]))
        return ImageSet(torch.cat([real, candidates]), labels, SIDES)


def sides(train: ImageSet, test: ImageSet, candidates: ImageSet, num_train: int, num_test: int) -> Sides:
    """The first candidates beside training digits, to learn from, and the next beside test digits.

    Every class of the candidates has the same number of images on both sides, so that no judge can go by how frequent
    a class is. num_train, num_test: candidates at most; fewer candidates are shared out in that proportion. Candidates
    without labels, and the digits beside them, are taken as they come. Raises UserError if they are too few.
    """
    if not candidates.has_labels:
        train, test, candidates = (_of_one_class(images) for images in (train, test, candidates))
    classes = candidates.labels.unique()
    have = _least(candidates, classes)
    train_each = min(num_train // len(classes), have * num_train // (num_train + num_test), _least(train, classes))
    test_each = min(num_test // len(classes), have - train_each, _least(test, classes))
    if train_each < LEAST_IMAGES or test_each < LEAST_IMAGES:
        raise UserError(
            f"two_sample: expected {LEAST_IMAGES} images of each class to learn from and {LEAST_IMAGES} to be tested, "
            f"found {len(candidates)} candidates of {len(classes)} classes, {len(train)} training and {len(test)} test "
            "digits; raise generate.num_images, two_sample.num_train or two_sample.num_test"
        )
    return Sides(
        train_real=train.select(_rows(train, classes, 0, train_each)),
        train_candidates=candidates.select(_rows(candidates, classes, 0, train_each)),
        test_real=test.select(_rows(test, classes, 0, test_each)),
        test_candidates=candidates.select(_rows(candidates, classes, train_each, train_each + test_each)),
    )


def thresholded(images: Tensor) -> Tensor:
    """Images float32 in [-1, 1] in black and white: -1 or 1, split at half."""
    return torch.where(images > 0, 1.0, -1.0)


def _of_one_class(images: ImageSet) -> ImageSet:
    return replace(images, labels=torch.zeros_like(images.labels))


def _least(images: ImageSet, classes: Tensor) -> int:
    """How many images the rarest of these classes has."""
    return min(int((images.labels == label).sum()) for label in classes)


def _rows(images: ImageSet, classes: Tensor, start: int, end: int) -> Tensor:
    """Row numbers of the images start to end of each class, sorted."""
    rows = [torch.nonzero(images.labels == label).squeeze(1)[start:end] for label in classes]
    return torch.cat(rows).sort().values
