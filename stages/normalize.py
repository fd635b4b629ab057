"""Decode the IDX files into images float32 [N, C, H, W] in [-1, 1] and labels, and split them.

Value range, layout, size and the choice of classes are decided here and nowhere else. Validation is the last sixth of
the training files (of MNIST's 60,000 the last 10,000); the test files are the test split.
"""

import math
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field, PlainValidator
from torch import Tensor
from torch.nn.functional import pad

from stages.common.class_names import MOST_CLASSES, MOST_NAMED, class_names
from stages.common.errors import UserError
from stages.common.files import read_json, remedy, write_json
from stages.common.images import save_image_set, to_float
from stages.common.params import StageParams
from stages.common.runtime import run_stage
from stages.common.shown import listed, shown
from stages.datasets.formats.idx import read_images, read_labels
from stages.datasets.stacks import mode_names, stacked

BACKGROUND = {torch.float32: -1.0, torch.uint8: 0}
"""Of images in [-1, 1], and of levels."""
EVALUATED_STACKS = 26_000
"""Of validation and of test digits: as many as papers evaluate."""
VALIDATION_PART = 6
"""The last sixth of the training files."""


def _labels_or_all(value: Any) -> Literal["all"] | tuple[int, ...]:
    if value == "all":
        return "all"
    is_labels = isinstance(value, list) and all(type(label) is int and label >= 0 for label in value)
    if is_labels and 0 < len(set(value)) == len(value):
        return tuple(value)
    raise ValueError("expected all, or a list of different labels from 0 on, at least one")


class Params(StageParams):
    """The section normalize of params.yaml."""

    limit: Annotated[int, Field(ge=1, description="the first training images of the chosen classes, at most this many")]
    classes: Annotated[
        Literal["all"] | tuple[int, ...],
        PlainValidator(_labels_or_all),
        Field(description="all, or a list of labels; in all splits they are renumbered from 0 in this order"),
    ]
    size: Annotated[Literal[28, 32, 64], Field(description="height and width in pixels, reached by padding")]
    stack: Annotated[
        Literal[1, 2, 3], Field(description="grey images that are stacked as the channels of one; 3: Stacked MNIST")
    ]
    num_stacks: Annotated[int, Field(ge=1, description="stacks to train on; unread where stack is 1")]
    seed: Annotated[int, Field(ge=0, description="of which images make a stack; unread where stack is 1")]


class Digits(NamedTuple):
    """levels uint8 [N, C, H, W], from 0 (black, the background) to 255; labels int64 [N]."""

    levels: Tensor
    labels: Tensor


class Described(NamedTuple):
    """A dataset: its name, those of its classes, and the share of its test images that a judge must recognise."""

    name: str
    classes: list[str]
    least_accuracy: float


def run(params: Params, data: Path) -> None:
    """Read data/download, write train, validation and test.safetensors and dataset.json to data/normalize.

    Raises UserError if a file of data/download is not what it should be, or if params do not fit the data.
    """
    source = data / "download"
    dataset = read_dataset(source / "dataset.json")
    training, test = read_both(source, len(dataset.classes), params.size)
    chosen = chosen_labels(params.classes, dataset.name, dataset.classes)

    splits = {split: select(digits, chosen, split) for split, digits in split_off(training, test).items()}
    splits["train"] = Digits(*(tensor[: params.limit] for tensor in splits["train"]))

    classes, singles = [dataset.classes[label] for label in chosen], None
    require_digits(params, splits, classes)
    if params.stack > 1:
        singles = classes
        splits, classes = stacks_of(params, splits, singles)

    folder = data / "normalize"
    for split, digits in splits.items():
        # Stacks are many: as levels they take a quarter of the room, and are read as the same floats.
        images = digits.levels if singles else to_float(digits.levels)
        images = padded(images, params.size)  # [N, C, size, size]
        save_image_set(folder / f"{split}.safetensors", images, digits.labels, classes, singles)
    mean, std = pixel_statistics(training.levels)
    description = {
        "name": dataset.name,
        "classes": classes,
        # Of a stack every channel is to be recognised.
        "least_accuracy": dataset.least_accuracy**params.stack,
        "image_shape": [splits["train"].levels.shape[1], params.size, params.size],
        "num_images": {split: len(digits.labels) for split, digits in splits.items()},
        "num_images_per_class": {split: class_counts(digits.labels, classes) for split, digits in splits.items()},
        "pixel_mean": mean,
        "pixel_std": std,
    }
    write_json(folder / "dataset.json", description)


def read_both(source: Path, num_classes: int, size: int) -> tuple[Digits, Digits]:
    """The training and test files of a dataset. Raises UserError as read_digits does, or if their images differ."""
    training, test = (read_digits(source, prefix, num_classes, size) for prefix in ("train", "t10k"))
    if training.levels.shape[1:] != test.levels.shape[1:]:
        shapes = [list(digits.levels.shape[1:]) for digits in (training, test)]
        raise UserError(f"{source}: expected test images of the shape of the training images, found {shapes}")
    return training, test


def stacks_of(params: Params, splits: dict[str, Digits], names: list[str]) -> tuple[dict[str, Digits], list[str]]:
    """The splits as stacks of their own digits, and the names of the modes. names: of the digits' classes.

    Raises UserError if there would be too many modes, or if the images have colours.
    """
    if (num_modes := len(names) ** params.stack) > MOST_CLASSES:
        actual = f"found {len(names)} to the power of {params.stack}"
        raise UserError(f"normalize.stack: expected at most {MOST_CLASSES} modes, {actual}; see normalize.classes")
    if (channels := splits["train"].levels.shape[1]) > 1:
        raise UserError(f"normalize.stack: expected grey images to stack, found {channels} channels; set it to 1")
    counts = dict.fromkeys(splits, min(params.num_stacks, EVALUATED_STACKS)) | {"train": params.num_stacks}
    made = {
        split: Digits(*stacked(*digits, counts[split], params.stack, len(names), params.seed, f"normalize.{split}"))
        for split, digits in splits.items()
    }
    print(f"{num_modes} modes of {params.stack} channels: {params.num_stacks} stacks to train on")
    try:
        return made, class_names(mode_names(names, params.stack))
    except ValueError as error:
        raise UserError(f"normalize.stack: the names of modes: {error}") from None


def require_digits(params: Params, splits: dict[str, Digits], classes: list[str]) -> None:
    """Raises UserError if no network could learn one of the classes; says which class cannot be measured."""
    missing = {
        split: [name for name, count in class_counts(digits.labels, classes).items() if not count]
        for split, digits in splits.items()
    }
    if missing["train"]:
        raise UserError(
            f"normalize.limit: expected a training image of every class among the first {len(splits['train'].labels)}, "
            f"found none of {listed(missing['train'], MOST_NAMED)}; raise it, or leave the class out of "
            "normalize.classes"
        )
    for split in ("validation", "test"):
        if missing[split]:
            missing_names = listed(missing[split], MOST_NAMED)
            print(f"no {split} image of {missing_names}: this class has no figures of its own", file=sys.stderr)


def read_dataset(path: Path) -> Described:
    """What stage download says of the dataset. Raises UserError if the file holds something else."""
    content = read_json(path)
    try:
        match content:
            case {"name": str(name), "classes": classes, "least_accuracy": float(least), **rest} if (
                name and name.isprintable() and 0 <= least <= 1 and not rest
            ):
                return Described(name, class_names(classes), least)
        raise ValueError(f"expected the name, classes and least_accuracy of a data set, found {shown(content)}")
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy(path)}") from None


def read_digits(folder: Path, prefix: str, num_classes: int, size: int) -> Digits:
    """The images and labels of <prefix>-images-idx3-ubyte and <prefix>-labels-idx1-ubyte.

    Raises UserError if either is broken, if they do not belong together, if a label is no class, or if the images
    are larger than size.
    """
    images_path, labels_path = folder / f"{prefix}-images-idx3-ubyte", folder / f"{prefix}-labels-idx1-ubyte"
    levels, labels = channels_first(read_images(images_path)), read_labels(labels_path)
    if len(labels) != len(levels):
        expected = f"{len(levels)} labels, one for each image of {images_path.name}"
        raise UserError(f"{labels_path}: expected {expected}, found {len(labels)}; {remedy(labels_path)}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        actual = f"{low} to {high}"
        raise UserError(f"{labels_path}: expected labels 0 to {num_classes - 1}, found {actual}; {remedy(labels_path)}")
    if max(levels.shape[2:]) > size:
        height, width = levels.shape[2:]
        raise UserError(f"normalize.size: expected at least the {height} x {width} of {images_path}, found {size}")
    return Digits(levels, labels)


def channels_first(levels: Tensor) -> Tensor:
    """Images [N, H, W] as [N, 1, H, W], and [N, H, W, C] as [N, C, H, W]."""
    return levels[:, None] if levels.ndim == 3 else levels.permute(0, 3, 1, 2)


def chosen_labels(classes: Literal["all"] | tuple[int, ...], name: str, names: list[str]) -> list[int]:
    """The chosen labels, in their new order. Raises UserError if the dataset has no such label."""
    if classes == "all":
        return list(range(len(names)))
    if unknown := [label for label in classes if label >= len(names)]:
        known = f"0 to {len(names) - 1} ({listed(names, MOST_NAMED)})"
        raise UserError(f"normalize.classes: expected labels of {name}, {known}, found {_labels(unknown)}")
    return list(classes)


def split_off(training: Digits, test: Digits) -> dict[str, Digits]:
    """Train, validation (the last sixth of the training files) and test."""
    boundary = len(training.labels) - len(training.labels) // VALIDATION_PART
    return {
        "train": Digits(*(tensor[:boundary] for tensor in training)),
        "validation": Digits(*(tensor[boundary:] for tensor in training)),
        "test": test,
    }


def select(digits: Digits, chosen: list[int], split: str) -> Digits:
    """The digits of the chosen labels, in their old order; chosen[i] becomes i. Raises UserError if there is none."""
    is_chosen = digits.labels[:, None] == torch.tensor(chosen)  # [N, len(chosen)]
    kept = is_chosen.any(1)
    if not kept.any():
        present = _labels(sorted(set(digits.labels.tolist()))) or "none"
        message = f"expected a {split} image of {_labels(chosen)}, found only images of {present}"
        raise UserError(f"normalize.classes: {message}")
    return Digits(digits.levels[kept], is_chosen[kept].int().argmax(1))


def padded(images: Tensor, size: int) -> Tensor:
    """Images [N, C, H, W], float32 or levels, centred on a background of [N, C, size, size].

    An odd pixel goes right and below.
    """
    bottom, right = size - images.shape[2], size - images.shape[3]
    return pad(
        images, [right // 2, right - right // 2, bottom // 2, bottom - bottom // 2], value=BACKGROUND[images.dtype]
    )


def pixel_statistics(levels: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of all pixels on the scale 0 to 1, from exact sums: no order of adding matters.

    levels: uint8, any shape. With n pixels, S = sum of levels, Q = sum of their squares: the mean is S / n, the
    variance (n Q - S^2) / n^2.
    """
    histogram = torch.bincount(levels.flatten(), minlength=256).tolist()
    n = sum(histogram)
    total = sum(level * count for level, count in enumerate(histogram))
    squares = sum(level**2 * count for level, count in enumerate(histogram))
    return total / n / 255, math.sqrt(n * squares - total**2) / n / 255


def class_counts(labels: Tensor, classes: list[str]) -> dict[str, int]:
    """Number of images of each class, by name."""
    return dict(zip(classes, torch.bincount(labels, minlength=len(classes)).tolist(), strict=True))


def _labels(labels: list[int]) -> str:
    return listed([str(label) for label in labels], MOST_NAMED)


if __name__ == "__main__":
    run_stage("normalize", Params, run)
