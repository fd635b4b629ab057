"""What real digits must have beyond the format of their file."""

from pathlib import Path

import pytest
import torch

from stages.common.errors import UserError
from stages.common.images import NO_LABEL, ImageSet
from stages.common.labelled import listed, missing_classes, require_every_class, require_labels

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
    with pytest.raises(UserError, match=r"expected digits of every class, found none of a, c; raise normalize\.limit"):
        require_every_class(PATH, labelled(1, 1))


def test_of_many_names_the_first_are_shown() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(1000)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more"
