"""Image sets on disk, real and generated alike, and pictures of them.

One value range and one layout everywhere: float32 [N, C, H, W] in [-1, 1]. Files hold those floats or, smaller,
the 256 grey levels as uint8; both are read the same.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import read_tensors, remedy, require_equal, write_tensors

NO_LABEL = -1
"""Label of samples from an unconditional generator."""
SIDE_MULTIPLE = 4
"""Networks halve height and width twice."""


@dataclass(frozen=True)
class ImageSet:
    """images float32 [N, C, H, W] in [-1, 1]; labels int64 [N], an index into classes, or all NO_LABEL."""

    images: Tensor
    labels: Tensor
    classes: list[str]

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
        return ImageSet(self.images[rows], self.labels[rows], self.classes)

    def copy(self) -> "ImageSet":
        """The same images in memory of their own: a slice of many would keep all of them."""
        return ImageSet(self.images.clone(), self.labels.clone(), self.classes)


def to_float(levels: Tensor) -> Tensor:
    """Grey levels uint8 0..255 to float32 in [-1, 1]."""
    return levels.float() / 127.5 - 1


def to_levels(images: Tensor) -> Tensor:
    """float32 in [-1, 1] to the nearest of 256 grey levels, uint8; the inverse of to_float on its range."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def save_image_set(path: Path, images: Tensor, labels: Tensor, classes: list[str]) -> None:
    """Store images (float32 in [-1, 1] or uint8 levels, [N, C, H, W]) with labels int64 [N] and the class names."""
    write_tensors(path, {"images": images, "labels": labels}, {"classes": classes})


def load_image_set(path: Path) -> ImageSet:
    """Read what save_image_set wrote. Raises UserError for a wrong layout, range or labels."""
    try:
        return _checked(*read_tensors(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy(path)}") from None


def _checked(tensors: dict[str, Tensor], meta: dict[str, Any]) -> ImageSet:
    """The image set of a file's content. Raises ValueError that says what was expected and found."""
    if set(tensors) != {"images", "labels"} or not is_class_names(meta.get("classes")):
        raise ValueError(f"expected images, labels and class names, found {', '.join(sorted(tensors))}")
    images, labels, classes = tensors["images"], tensors["labels"], meta["classes"]
    if images.dtype not in (torch.float32, torch.uint8) or images.ndim != 4 or not len(images):
        actual = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"expected images float32 or uint8 [N, C, H, W] with N > 0, found {actual}")
    if any(side == 0 or side % SIDE_MULTIPLE for side in images.shape[2:]):
        actual = " x ".join(map(str, images.shape[2:]))
        raise ValueError(f"expected height and width to be multiples of {SIDE_MULTIPLE}, found {actual}")
    if images.dtype == torch.uint8:
        images = to_float(images)
    if not (images.abs() <= 1).all():
        raise ValueError(f"expected images in [-1, 1], found {images.min():.4g} to {images.max():.4g}")
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        actual = f"{labels.dtype} {list(labels.shape)}"
        raise ValueError(f"expected labels int64 [{len(images)}], found {actual}")
    if not ((labels >= 0) & (labels < len(classes))).all() and not (labels == NO_LABEL).all():
        actual = f"{labels.min()} to {labels.max()}"
        raise ValueError(f"expected labels 0 to {len(classes) - 1}, or all {NO_LABEL}, found {actual}")
    return ImageSet(images, labels, classes)


def load_alike(*paths: Path) -> list[ImageSet]:
    """Read sets that belong together. Also raises UserError if shape or classes differ from the first set's."""
    first, *others = sets = [load_image_set(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        require_equal(path, "image shape", other.image_shape, first.image_shape, like=paths[0])
        require_equal(path, "classes", other.classes, first.classes, like=paths[0])
    return sets


def is_class_names(value: object) -> bool:
    """Whether that is a list of names, at least one."""
    return isinstance(value, list) and value != [] and all(isinstance(name, str) for name in value)


def to_colours(levels: Tensor) -> Tensor:
    """Images [N, C, H, W] as red, green and blue [N, 3, H, W]: grey thrice; of more channels the first three."""
    channels = levels.shape[1]
    if channels == 1:
        return levels.expand(-1, 3, -1, -1)
    missing = levels.new_zeros(len(levels), max(0, 3 - channels), *levels.shape[2:])
    return torch.cat([levels[:, :3], missing], dim=1)


def grid_png(images: Tensor, columns: int) -> bytes:
    """Draw images float32 [N, C, H, W] in [-1, 1], row by row, as one PNG with `columns` pictures a row."""
    from torchvision.utils import make_grid  # noqa: PLC0415 (a second to import, in every stage that reads images)

    levels = make_grid(to_colours(to_levels(images)), nrow=columns, padding=2, pad_value=255)
    content = io.BytesIO()
    Image.fromarray(levels.permute(1, 2, 0).numpy()).save(content, format="PNG")
    return content.getvalue()
