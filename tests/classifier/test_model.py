"""A stored classifier comes back as it was, or not at all."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.classifier.model import Classifier, classifier_from
from stages.common import draws
from stages.common.errors import UserError
from stages.common.initialise import initialise

IMAGES = draws.uniform(0, "images", 0, (5, 1, 8, 8)) * 2 - 1


def classifier() -> Classifier:
    made = Classifier([1, 8, 8], num_classes=3, width=2, num_features=6)
    initialise(made, 0, "classifier")
    made(IMAGES)  # moves the running statistics of the normalisation, which are stored too
    return made


def test_comes_back_the_same_in_eval_mode() -> None:
    original = classifier()
    loaded = classifier_from(original.state_dict(), {"arguments": original.arguments, "classes": list("abc")}, "file")
    torch.testing.assert_close(loaded(IMAGES), original.eval()(IMAGES), rtol=0, atol=0)
    assert loaded.arguments == original.arguments
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_logits_are_the_head_of_the_features() -> None:
    made = classifier().eval()
    assert made.features(IMAGES).shape == (5, 6)
    torch.testing.assert_close(made(IMAGES), made.head(made.features(IMAGES)), rtol=0, atol=0)


def without(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in tensors.items() if key != name}


ARGUMENTS = classifier().arguments


@pytest.mark.parametrize(
    ("tensors", "meta", "reason"),
    [
        (classifier().state_dict(), {}, "arguments: "),
        (classifier().state_dict(), {"arguments": {"width": 2}}, "image_shape"),
        (classifier().state_dict(), {"arguments": ARGUMENTS | {"depth": 2}}, "depth"),
        (classifier().state_dict(), {"arguments": ARGUMENTS | {"num_features": 7}}, "body.5.weight"),
        (without(classifier().state_dict(), "head.bias"), {"arguments": ARGUMENTS}, "head.bias"),
        (classifier().state_dict() | {"extra": torch.zeros(1)}, {"arguments": ARGUMENTS}, "extra"),
    ],
)
def test_what_makes_no_classifier_is_refused(tensors: dict[str, Tensor], meta: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=f"^file.st: expected the arguments and weights.*{re.escape(reason)}"):
        classifier_from(tensors, meta, "file.st")
