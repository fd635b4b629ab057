"""The small CNN that recognises the class of an image, and whose penultimate features the metrics compare."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from stages.common.blocks import in_blocks
from stages.common.class_names import MOST_CLASSES
from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.files import read_tensors, require_equal
from stages.common.images import ImageSet, require_image_shape
from stages.common.records import Record, first_mistake
from stages.common.shown import one_line
from stages.common.weights import built_to_fit


class ClassifierArguments(Record):
    """What a Classifier is called with, within the bounds of any that this code trains."""

    image_shape: Annotated[list[int], Field(min_length=3, max_length=3)]
    num_classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    width: Annotated[int, Field(ge=1, le=1024)]
    num_features: Annotated[int, Field(ge=1, le=4096)]


LARGEST_FEATURE = 1e20
"""Beyond it the squares of kernels of features, x.y cubed, leave the range of float64."""


class Classifier(nn.Module):
    """Four 3x3 convolutions in two resolutions, then a linear layer to the features and one to the classes.

    image_shape: (C, H, W), H and W multiples of 4; width: channels of the first resolution, twice that in the second.
    """

    def __init__(self, image_shape: list[int], num_classes: int, width: int, num_features: int) -> None:
        super().__init__()
        channels, height, rows = image_shape
        self.arguments: dict[str, Any] = {
            "image_shape": list(image_shape),
            "num_classes": num_classes,
            "width": width,
            "num_features": num_features,
        }

        def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

        self.body = nn.Sequential(
            block(channels, width, 1),
            block(width, width, 2),
            block(width, 2 * width, 1),
            block(2 * width, 2 * width, 2),
            nn.Flatten(),
            nn.Linear(2 * width * (height // 4) * (rows // 4), num_features, bias=False),
            nn.BatchNorm1d(num_features),
            nn.ReLU(),
        )
        self.head = nn.Linear(num_features, num_classes)

    @property
    def num_features(self) -> int:
        """Of each image."""
        return int(self.arguments["num_features"])

    def features(self, images: Tensor) -> Tensor:
        """The penultimate features of images [B, C, H, W] in [-1, 1]."""
        features: Tensor = self.body(images.contiguous(memory_format=torch.channels_last))  # [B, num_features]
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the classes of images [B, C, H, W] in [-1, 1]."""
        logits: Tensor = self.head(self.features(images))  # [B, num_classes]
        return logits

    def logits(self, features: Tensor) -> Tensor:
        """Logits of the classes of images with these features [B, num_features]."""
        logits: Tensor = self.head(features)  # [B, num_classes]
        return logits

    def chosen(self, logits: Tensor) -> Tensor:
        """The classes int64 [N] with the highest of the logits [N, num_classes]."""
        return logits.argmax(dim=1)


class StackClassifier(Classifier):
    """Sees each channel of a stack as an image of its own, and recognises the stack's mode.

    Its features are those of the channels side by side; a mode is the number that their classes make as digits.
    """

    def __init__(self, image_shape: list[int], num_classes: int, width: int, num_features: int, channels: int) -> None:
        super().__init__(image_shape, num_classes, width, num_features)
        self.channels = channels

    @property
    def num_features(self) -> int:
        """Of each stack."""
        return self.channels * super().num_features

    def features(self, images: Tensor) -> Tensor:
        """The penultimate features of all channels of stacks [B, channels, H, W] in [-1, 1]."""
        return super().features(images.flatten(0, 1)[:, None]).view(len(images), -1)  # [B, num_features]

    def logits(self, features: Tensor) -> Tensor:
        """Logits of the classes of each channel."""
        singles = features.view(len(features) * self.channels, -1)
        return super().logits(singles).view(len(features), -1)  # [B, channels * num_classes]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the classes of each channel of stacks [B, channels, H, W] in [-1, 1]."""
        return self.logits(self.features(images))

    def chosen(self, logits: Tensor) -> Tensor:
        """The modes int64 [N]: in each channel the class with the highest of the logits [N, channels * num_classes]."""
        classes = logits.view(len(logits), self.channels, -1).argmax(dim=2)  # [N, channels]
        modes = torch.zeros(len(logits), dtype=torch.int64)
        for channel in classes.unbind(dim=1):
            modes = modes * self.arguments["num_classes"] + channel
        return modes


def of_stacks(single: Classifier, channels: int) -> StackClassifier:
    """The classifier of stacks of images such as the trained one recognises."""
    made = StackClassifier(**single.arguments, channels=channels)
    made.load_state_dict(single.state_dict())
    return made.eval().requires_grad_(False)


def classifier_from(tensors: dict[str, Tensor], meta: dict[str, Any], source: str) -> Classifier:
    """The trained classifier of a file, in eval mode and without gradients.

    tensors: its state_dict; meta: a description whose key `arguments` holds Classifier.arguments; source: the file's
    name, for the message. Raises UserError if the two do not make a classifier.
    """
    try:
        arguments = ClassifierArguments.model_validate(meta.get("arguments"))
        require_image_shape(arguments.image_shape)
        classifier = built_to_fit(partial(Classifier, **arguments.model_dump()), tensors)
    except ValidationError as error:
        reason = first_mistake("arguments", error)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = one_line(error)
    else:
        return classifier.eval().requires_grad_(False)
    again = f"`dvc repro -f {Path(source).parent.name}` trains it again"
    raise UserError(f"{source}: expected the arguments and weights of a classifier, found {reason}; {again}")


def load_classifier(path: Path, digits: ImageSet, digits_path: Path) -> Classifier:
    """The trained classifier; of stacks, one that sees each channel as an image of its own.

    Raises UserError if it was trained on images or classes other than those digits.
    """
    tensors, meta = read_tensors(path)
    classifier = classifier_from(tensors, meta, str(path))
    shape, names = digits.image_shape, digits.classes
    if digits.singles is not None:
        shape, names = [1, *shape[1:]], digits.singles
    require_equal(path, "image shape", classifier.arguments["image_shape"], shape, like=digits_path)
    require_equal(path, "classes", meta.get("classes"), names, like=digits_path)
    require_equal(path, "num_classes", classifier.arguments["num_classes"], len(names), like=digits_path)
    return classifier if digits.singles is None else of_stacks(classifier, digits.image_shape[0])


def finite_features(classifier: Classifier, images: Tensor, source: Path, threads: int | None = None) -> Tensor:
    """Features float32 [N, F] of images [N, C, H, W] in [-1, 1]; threads: how many compute them, None: one a core.

    Raises UserError, naming the classifier's file `source`, if they are not finite or too large to compare.
    """
    threads = threads or available_cores()
    features = in_blocks(classifier.features, images, threads=threads, description="features of images")
    if not (features.abs() <= LARGEST_FEATURE).all():
        # Images are checked when they are read, so it is the weights.
        raise UserError(f"{source}: its features are not finite, or beyond {LARGEST_FEATURE:g}; {_again(source)}")
    return features


def recognised_classes(classifier: Classifier, features: Tensor, source: Path) -> Tensor:
    """The classes int64 [N] that features [N, F] are recognised as. Raises UserError if logits are not finite."""
    logits = in_blocks(classifier.logits, features)
    if not logits.isfinite().all():
        raise UserError(f"{source}: the logits of its classes are not finite; {_again(source)}")
    return classifier.chosen(logits)


def _again(source: Path) -> str:
    return f"`dvc repro -f {source.parent.name}` trains it again"
