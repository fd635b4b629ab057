"""Image sets on disk, real and generated alike.

One value range and one layout everywhere: float32 [N, C, H, W] in [-1, 1]. Files hold those floats or, smaller,
the 256 grey levels as uint8; both are read the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.common.class_names import class_names
from stages.common.errors import UserError
from stages.common.files import read_tensors, remedy, require_equal, write_tensors
from stages.common.shown import listed, one_line, shown
from stages.common.weights import kind

REMARKS = "remarks"
"""The key of a file's description for what those who use the images or the generator must know; absent if nothing."""
MOST_REMARKS = 20
NO_LABEL = -1
"""Label of samples from an unconditional generator."""
SIDE_MULTIPLE = 4
"""Networks halve height and width twice."""
MOST_CHANNELS = 16
LARGEST_SIDE = 1024
"""Pixels of height and width."""


@dataclass(frozen=True)
class ImageSet:
    """images float32 [N, C, H, W] in [-1, 1]; labels int64 [N], an index into classes, or all NO_LABEL.

    singles: of images that are stacks, the classes of the grey images that are their channels. Written as a number of C
    digits to the base of their count, a label says the class of each channel, the first one first.
    remarks: what the one who made the images says of them, a line each.
    """

    images: Tensor
    labels: Tensor
    classes: list[str]
    singles: list[str] | None = None
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_labels(self) -> bool:
        """Whether the images have labels: samples of an unconditional generator have none."""
        return not bool((self.labels == NO_LABEL).all())

    @property
    def image_shape(self) -> list[int]:
        """[C, H, W] of each image."""
        return list(self.images.shape[1:])

    def select(self, rows: Tensor | slice) -> "ImageSet":
        """The images of these row numbers, or of a slice of them."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])

    def copy(self) -> "ImageSet":
        """The same images in memory of their own: a slice of many would keep all of them."""
        return replace(self, images=self.images.clone(), labels=self.labels.clone())

    def unstacked(self) -> "ImageSet":
        """Of labelled stacks one channel each, number i modulo C of stack i; what is no stack as it is."""
        if self.singles is None:
            return self
        channels, base = self.images.shape[1], len(self.singles)
        stacks = torch.arange(len(self))
        channel = stacks % channels
        labels = self.labels // base ** (channels - 1 - channel) % base
        return ImageSet(self.images[stacks, channel][:, None], labels, self.singles)


def to_float(levels: Tensor) -> Tensor:
    """Grey levels uint8 0..255 to float32 in [-1, 1]."""
    return levels.float() / 127.5 - 1


def to_levels(images: Tensor) -> Tensor:
    """float32 in [-1, 1] to the nearest of 256 grey levels, uint8; the inverse of to_float on its range."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def save_image_set(
    path: Path,
    images: Tensor,
    labels: Tensor,
    classes: list[str],
    singles: list[str] | None = None,
    remarks: Sequence[str] = (),
) -> None:
    """Store images (float32 in [-1, 1] or uint8 levels, [N, C, H, W]) with labels int64 [N] and the class names.

    singles, remarks: as of an ImageSet.
    """
    meta: dict[str, Any] = {"classes": classes}
    if singles is not None:
        meta["singles"] = singles
    if remarks:
        meta[REMARKS] = list(remarks)
    write_tensors(path, {"images": images, "labels": labels}, meta)


def load_image_set(path: Path) -> ImageSet:
    """Read what save_image_set wrote. Raises UserError for a wrong layout, range or labels."""
    try:
        return _checked(*read_tensors(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy(path)}") from None


def _checked(tensors: dict[str, Tensor], meta: dict[str, Any]) -> ImageSet:
    """The image set of a file's content. Raises ValueError that says what was expected and found."""
    if set(tensors) != {"images", "labels"} or set(meta) - {"singles", REMARKS} != {"classes"}:
        actual = f"{listed(sorted(tensors)) or 'no tensors'} with {listed(sorted(meta)) or 'nothing'}"
        raise ValueError(f"expected the tensors images and labels with the names of classes, found {actual}")
    images, labels, classes = tensors["images"], tensors["labels"], class_names(meta["classes"])
    if images.dtype not in (torch.float32, torch.uint8) or images.ndim != 4 or not len(images):
        raise ValueError(f"expected images float32 or uint8 [N, C, H, W] with N > 0, found {kind(images)}")
    require_image_shape(list(images.shape[1:]))
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise ValueError(f"expected labels int64 [{len(images)}], found {kind(labels)}")
    if not ((labels >= 0) & (labels < len(classes))).all() and not (labels == NO_LABEL).all():
        actual = f"{labels.min()} to {labels.max()}"
        raise ValueError(f"expected labels 0 to {len(classes) - 1}, or all {NO_LABEL}, found {actual}")
    if images.dtype == torch.uint8:
        images = to_float(images)
    if not (images.abs() <= 1).all():
        raise ValueError(f"expected images in [-1, 1], found {images.min():.4g} to {images.max():.4g}")
    return ImageSet(images, labels, classes, _singles_of(meta, images.shape[1], len(classes)), remarks_of(meta))


def _singles_of(meta: dict[str, Any], channels: int, num_classes: int) -> list[str] | None:
    """The classes of the images that are stacked. Raises ValueError if the classes are not all their combinations."""
    if "singles" not in meta:
        return None
    singles = class_names(meta["singles"])
    if (expected := len(singles) ** channels) != num_classes:
        raise ValueError(
            f"expected {expected} classes for {channels} stacked images of {len(singles)}, found {num_classes}"
        )
    return singles


def remarks_of(meta: dict[str, Any]) -> tuple[str, ...]:
    """The remarks of a file's description, each as one line. Raises ValueError if they are anything else than text."""
    remarks = meta.get(REMARKS, [])
    if not isinstance(remarks, list) or not all(isinstance(remark, str) for remark in remarks):
        raise ValueError(f"expected {REMARKS} to be a list of lines, found {shown(remarks)}")
    return tuple(one_line(remark) for remark in remarks[:MOST_REMARKS])


def require_image_shape(shape: list[int]) -> None:
    """Raise ValueError if [C, H, W] are no images that the networks can make."""
    channels, *sides = shape
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"expected 1 to {MOST_CHANNELS} channels, found {channels}")
    if any(not 1 <= side <= LARGEST_SIDE or side % SIDE_MULTIPLE for side in sides):
        multiples = f"multiples of {SIDE_MULTIPLE} up to {LARGEST_SIDE}"
        raise ValueError(f"expected height and width to be {multiples}, found {' x '.join(map(str, sides))}")


def load_alike(*paths: Path) -> list[ImageSet]:
    """Read sets that belong together. Also raises UserError if shape or classes differ from the first set's."""
    first, *others = sets = [load_image_set(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        require_equal(path, "image shape", other.image_shape, first.image_shape, like=paths[0])
        require_equal(path, "classes", other.classes, first.classes, like=paths[0])
    return sets


def to_colours(levels: Tensor) -> Tensor:
    """Images [N, C, H, W] as red, green and blue [N, 3, H, W]: grey thrice; of more channels the first three."""
    channels = levels.shape[1]
    if channels == 1:
        return levels.expand(-1, 3, -1, -1)
    missing = levels.new_zeros(len(levels), max(0, 3 - channels), *levels.shape[2:])
    return torch.cat([levels[:, :3], missing], dim=1)
