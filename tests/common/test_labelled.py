"""What real digits must have beyond the format of their file."""

from pathlib import Path

import pytest
import torch

from stages.common.errors import UserError
from stages.common.images import NO_LABEL, ImageSet
from stages.common.labelled import missing_classes, require_every_class, require_labels

PATH = Path("data/normalize/train.safetensors")


def labelled(*labels: int) -> ImageSet:
    return ImageSet(torch.zeros(len(labels), 1, 4, 4), torch.tensor(labels), ["a", "b", "c"])


def test_digits_of_every_class_are_accepted() -> None:
    require_every_class(PATH, labelled(2, 0, 1))
    require_labels(PATH, labelled(2, 2))


def test_digits_without_labels_are_refused() -> None:
    for require in (require_labels, require_every_class):
        with pytest.raises(UserError, match=r"train\.safetensors: expected a label for each.*found -1.*normalize"):
            require(PATH, labelled(NO_LABEL, NO_LABEL))


def test_missing_classes_are_named() -> None:
    assert missing_classes(labelled(1, 1)) == ["a", "c"]
    with pytest.raises(UserError, match=r"expected images of every class, found none of a, c; raise normalize\.limit"):
        require_every_class(PATH, labelled(1, 1))
