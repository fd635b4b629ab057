"""A user's own images: a folder for each class, in it PNG or JPEG images, all of one square size, grey or in colours.

As in torchvision's ImageFolder, classes are numbered in the order of their folders' names, and images are decoded by
Pillow without regard to a camera's note of how it was held. What ImageFolder skips in silence is an error here.
"""

import hashlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from stages.common.class_names import class_names
from stages.common.errors import UserError
from stages.common.files import open_regular, require_memory
from stages.common.shown import one_line, shown
from stages.datasets.formats.idx import NAMES, encode

ENDINGS = (".png", ".jpg", ".jpeg")
DECODERS = ("PNG", "JPEG")
SIDES = (28, 32, 64)
"""Pixels of height and width."""
CHANNELS = {"1": 1, "L": 1, "P": 3, "RGB": 3, "RGBA": 3, "LA": 3}
"""By Pillow's mode: black and white, grey, a palette, colours, and the same with transparency."""
LEAST_IN_CLASS = 7
"""One for validation, one of tests and five to learn from."""
TEST_PART = 7
"""The last seventh is for tests, as of MNIST's 70,000 digits the last 10,000; normalize takes validation images."""
MOST_IMAGES = 1_000_000
MOST_BYTES = 1 << 20
"""Of one file: sixty times what the pixels of the largest take."""
COPIES = 3
"""Of all pixels that are held at once: in order of the files, split, and as IDX."""
DESKTOP_FILES = ("Thumbs.db", "ehthumbs.db", "desktop.ini")
"""What file managers leave, beside files that begin with a dot: see .dvcignore."""

Levels = npt.NDArray[np.uint8]


def class_folders(folder: Path) -> list[str]:
    """The names of the classes. Raises UserError if the folder is missing, or has not at least two class folders."""
    if not folder.is_dir() or folder.is_symlink():
        raise UserError(f"{folder}: expected a folder with a folder of images for each class, found {_kind(folder)}")
    # Beside them may lie files, such as a licence.
    names = sorted(entry.name for entry in _entries(folder) if entry.is_dir())
    if len(names) < 2:
        actual = f"found {len(names)}; what the metrics compare is learned by telling classes apart"
        raise UserError(f"{folder}: expected the folders of at least two classes, {actual}")
    try:
        return class_names(names)
    except ValueError as error:
        raise UserError(f"{folder}: {error}; rename that folder") from None


def num_images(folder: Path) -> tuple[int, int]:
    """How many images there will be to learn from and for tests. Raises UserError as idx_files, for names alone."""
    total = sum(len(_images(folder / name)) for name in class_folders(folder))
    return total - total // TEST_PART, total // TEST_PART


def idx_files(folder: Path) -> Mapping[str, bytes]:
    """The images of all classes as the four IDX files, split into train and test.

    Raises UserError, in one line, for a file that is no image, of another size than the others, or a class that has
    too few.
    """
    files = [(path, label) for label, name in enumerate(class_folders(folder)) for path in _images(folder / name)]
    labels = np.array([label for _, label in files], dtype=np.int32)
    levels = read_images([path for path, _ in files])
    order = split_order(levels, labels)
    boundary = len(order) - len(order) // TEST_PART
    made = [encode(array[rows]) for rows in (order[:boundary], order[boundary:]) for array in (levels, labels)]
    return dict(zip(NAMES, made, strict=True))


def split_order(levels: Levels, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Row numbers int64 [N] in an order in which any stretch has the classes in the proportions of the whole.

    Within a class, images are in the order of the SHA-256 of their pixels: as good as random, and a function of the
    images alone, whatever their files are called. So copies lie side by side, and few are cut apart by a split.
    """
    digests = [hashlib.sha256(image.tobytes()).digest() for image in levels]
    if copies := len(digests) - len(set(digests)):
        print(f"copies among the images: {copies}; where splits share them, figures flatter", file=sys.stderr)
    keys: list[tuple[float, bytes, int]] = []
    for label in np.unique(labels):
        rows = sorted(np.flatnonzero(labels == label).tolist(), key=lambda row: digests[row])
        keys += [((rank + 0.5) / len(rows), digests[row], row) for rank, row in enumerate(rows)]
    return np.array([row for *_, row in sorted(keys)], dtype=np.int64)


def read_images(paths: list[Path]) -> Levels:
    """All images as uint8 [N, H, W], or [N, H, W, 3] if one of them has colours. Raises UserError; see idx_files."""
    side, channels = 0, 1
    for path in paths:
        with _opened(path) as image:
            size, channels = image.size, max(channels, CHANNELS[image.mode])
        if size != (side or size[0], side or size[0]) or size[0] not in SIDES:
            expected = f"{side} x {side} pixels, as {paths[0].name} has" if side else f"a square of {_listed(SIDES)}"
            raise UserError(f"{path}: expected {expected}, found {size[0]} x {size[1]}; resize it")
        side = size[0]
    shape = (len(paths), side, side, *([3] if channels == 3 else []))
    require_memory(paths[0].parent.parent, COPIES * int(np.prod(shape)))
    levels = np.empty(shape, dtype=np.uint8)
    for row, path in enumerate(paths):
        levels[row] = _decoded(path, "L" if channels == 1 else "RGB")
    return levels


def _images(folder: Path) -> list[Path]:
    """The image files of one class, by name. Raises UserError for anything else in there, or if there are too few."""
    names = sorted(entry.name for entry in _entries(folder))
    if wrong := next((name for name in names if not name.lower().endswith(ENDINGS)), None):
        raise UserError(f"{folder / wrong}: expected an image, {_listed(ENDINGS)}, found {_kind(folder / wrong)}")
    if not LEAST_IN_CLASS <= len(names) <= MOST_IMAGES:
        expected = f"expected {LEAST_IN_CLASS} to {MOST_IMAGES:,} images of a class"
        raise UserError(f"{folder}: {expected}, found {len(names):,}")
    return [folder / name for name in names]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, files of desktops apart. Raises UserError for a link: only what is there decides a run."""
    with os.scandir(folder) as listing:
        for entry in islice(listing, MOST_IMAGES + 1):
            if entry.is_symlink():
                raise UserError(f"{folder / entry.name}: expected files and folders, found a link; put a copy there")
            if not entry.name.startswith(".") and entry.name not in DESKTOP_FILES:
                yield entry


def _opened(path: Path) -> Image.Image:
    """An image whose header is read. Raises UserError if it is none that can be used."""
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        image = Image.open(io.BytesIO(content), formats=DECODERS)
        if image.mode not in CHANNELS:
            raise ValueError(f"pixels of the kind {image.mode}")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: expected a PNG or JPEG image, grey or RGB, found {_reason(error)}") from None
    return image


def _decoded(path: Path, mode: str) -> Levels:
    """The pixels uint8 [H, W], or [H, W, 3] for RGB. Raises UserError if it is broken, or transparent."""
    with _opened(path) as image:
        try:
            if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
                raise UserError(f"{path}: expected opaque pixels, found transparent ones; put it on a background")
            return np.asarray(image.convert(mode))
        except (OSError, ValueError, SyntaxError, IndexError) as error:
            raise UserError(f"{path}: is broken ({_reason(error)}); put a whole copy there, or remove it") from None


def _reason(error: Exception) -> str:
    """Why an image cannot be read, without the address of an object in memory that Pillow quotes."""
    text = one_line(error)
    return "something else" if "cannot identify" in text else text


def _kind(path: Path) -> str:
    if path.is_symlink():
        return "a link"
    return "a folder" if path.is_dir() else f"the file {shown(path.name)}" if path.exists() else "nothing"


def _listed(values: tuple[object, ...]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}"
