"""The second opinion against distances that are known in advance."""

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from stages.classifier.judge import Judge
from stages.common import draws
from stages.common.images import ImageSet
from stages.evaluation.second_opinion import ONE_CLASS, second_opinion, second_protocol


class FirstPixels(nn.Module):
    """Features are the first two pixels; the class is whether the first is above 0."""

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2]

    def forward(self, images: Tensor) -> Tensor:
        first = self.features(images)[:, :1]
        return torch.cat([-first, first], dim=1)


NETWORK = cast(Judge, FirstPixels())
TEST = ImageSet(draws.normal(1, "tests.pixels", 0, (400, 1, 4, 4)) / 10, torch.arange(400) % 2, ["a", "b"])


def moved(by: float, count: int) -> ImageSet:
    """The test images, every pixel brighter by that much; behind the first `count` far brighter."""
    images = TEST.images + by
    images[count:] += 5
    return ImageSet(images, TEST.labels, TEST.classes)


def test_the_distance_of_moved_images_is_the_squared_shift_beside_that_of_moved_real_ones() -> None:
    """Equal covariances: what is left is the squared difference of the means, of two features."""
    images = {"test": TEST, "samples": moved(0.4, 400), "validation": moved(0.1, 400)}
    entry = second_opinion(NETWORK, images, count=400, seed=1)
    assert entry.value == pytest.approx(2 * 0.4**2, rel=1e-4)
    assert entry.floor == pytest.approx(2 * 0.1**2, rel=1e-4)
    assert entry.ratio == pytest.approx(16, rel=1e-3)


def test_only_the_first_images_are_compared() -> None:
    images = {"test": TEST, "samples": moved(0.0, 300), "validation": moved(0.0, 300)}
    entry = second_opinion(NETWORK, images, count=300, seed=1)
    assert entry.value == entry.floor
    assert entry.value is not None
    assert entry.value < 0.01
    farther = second_opinion(NETWORK, images, count=400, seed=1)
    assert farther.value is not None
    assert farther.value > 1


def test_the_protocol_says_how_many_test_digits_the_network_recognises() -> None:
    labels = (TEST.images.flatten(1)[:, 0] > 0).long()
    labels[:40] = 1 - labels[:40]
    protocol = second_protocol(NETWORK, ImageSet(TEST.images, labels, TEST.classes), count=300, num_train=7)
    assert protocol is not None
    assert protocol.test_accuracy == pytest.approx(0.9)
    assert (protocol.num_images, protocol.reference.num_images, protocol.num_train) == (300, 400, 7)


def test_without_a_network_there_is_a_reason() -> None:
    entry = second_opinion(None, {}, count=10, seed=1)
    assert entry.value is entry.floor is entry.ratio is None
    assert set(entry.undefined.values()) == {ONE_CLASS}
    assert second_protocol(None, TEST, count=10, num_train=7) is None
