"""The classifier of stacks: it recognises what the trained classifier recognises in each channel."""

from pathlib import Path

import pytest
import torch

from stages.classifier.model import (
    Classifier,
    StackClassifier,
    finite_features,
    load_classifier,
    of_stacks,
    recognised_classes,
)
from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import ImageSet
from stages.common.initialise import initialise
from stages.datasets.stacks import mode_names

SOURCE = Path("train_classifier/classifier.safetensors")
NAMES = ["a", "b", "c", "d"]


@pytest.fixture
def single() -> Classifier:
    made = Classifier([1, 8, 8], len(NAMES), width=4, num_features=6)
    initialise(made, 5, "classifier")
    return made.eval().requires_grad_(False)


@pytest.fixture
def stacks() -> ImageSet:
    images = torch.rand(300, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    return ImageSet(images, torch.arange(300) % 64, mode_names(NAMES, 3), NAMES)


def test_modes_are_the_argmax_of_each_channel(single: Classifier, stacks: ImageSet) -> None:
    classifier = of_stacks(single, 3)
    features = finite_features(classifier, stacks.images, SOURCE)
    classes = torch.stack([single(stacks.images[:, [channel]]).argmax(1) for channel in range(3)], dim=1)
    expected = 16 * classes[:, 0] + 4 * classes[:, 1] + classes[:, 2]
    assert len(expected.unique()) > 3
    assert recognised_classes(classifier, features, SOURCE).tolist() == expected.tolist()


def test_features_are_those_of_the_channels_side_by_side(single: Classifier, stacks: ImageSet) -> None:
    classifier = of_stacks(single, 3)
    features = finite_features(classifier, stacks.images, SOURCE)
    assert features.shape == (300, classifier.num_features) == (300, 18)
    for channel in range(3):
        own = single.features(stacks.images[:, [channel]])
        torch.testing.assert_close(features[:, 6 * channel : 6 * channel + 6], own)


def test_a_file_of_single_images_is_loaded_for_stacks(single: Classifier, stacks: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    write_tensors(path, single.state_dict(), {"arguments": single.arguments, "classes": NAMES})
    loaded = load_classifier(path, stacks, SOURCE)
    assert isinstance(loaded, StackClassifier)
    torch.testing.assert_close(loaded(stacks.images), of_stacks(single, 3)(stacks.images))
    with pytest.raises(UserError, match=r"expected image shape \[3, 8, 8\], as in .*, found \[1, 8, 8\]"):
        load_classifier(path, ImageSet(stacks.images, stacks.labels, stacks.classes), SOURCE)
