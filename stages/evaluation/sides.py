"""Real digits and candidates side by side, as many of every class, for a judge to tell apart."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stages.common import draws
from stages.common.errors import UserError
from stages.common.images import ImageSet

SIDES = ["real", "candidate"]
LEAST_IMAGES = 2
"""Of each class and side, to learn from as well as to be tested on."""


class TooFewOfAClassError(UserError):
    """A class has too few images for as many of it on both sides."""


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
    a class is. num_train, num_test: candidates at most; fewer candidates are divided in that proportion. Candidates
    without labels, and the digits beside them, are taken as they come. Raises TooFewOfAClassError.
    """
    if not candidates.has_labels:
        train, test, candidates = (_of_one_class(images) for images in (train, test, candidates))
    classes = candidates.labels.unique()
    have = _least(candidates, classes)
    train_each = min(num_train // len(classes), have * num_train // (num_train + num_test), _least(train, classes))
    test_each = min(num_test // len(classes), have - train_each, _least(test, classes))
    if min(train_each, test_each) < LEAST_IMAGES:
        raise TooFewOfAClassError(
            f"two_sample: too few images of a class: expected {LEAST_IMAGES} of each side to learn from and "
            f"{LEAST_IMAGES} to be tested on, found classes with {have} candidates, {_least(train, classes)} training "
            f"and {_least(test, classes)} test images, of which two_sample.num_train and num_test take {num_train} and "
            f"{num_test} candidates of {len(classes)} classes; raise these, generate.num_images or normalize.limit"
        )
    return Sides(
        train_real=train.select(_rows(train, classes, 0, train_each)),
        train_candidates=candidates.select(_rows(candidates, classes, 0, train_each)),
        test_real=test.select(_rows(test, classes, 0, test_each)),
        test_candidates=candidates.select(_rows(candidates, classes, train_each, train_each + test_each)),
    )


def floor_sides(validation: ImageSet, test: ImageSet, num_train: int, num_test: int) -> Sides:
    """Validation digits on both sides: a third of them learned as real, the others in the candidates' place.

    There is nothing to find, and 50 % is expected. With training digits as the real ones there would be: judges learn
    which writers are in which set, and on a classifier's features which digits it was trained on.
    """
    third = len(validation) // 3
    return sides(validation.select(slice(third)), test, validation.select(slice(third, None)), num_train, num_test)


def shuffled(digits: ImageSet, seed: int, name: str) -> ImageSet:
    """The digits in random order: neighbours in a file of digits have the same writers. name: of the draw."""
    return digits.select(draws.permutation(seed, f"two_sample.{name}", 0, len(digits)))


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
