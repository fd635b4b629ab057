"""Samples in one file or in many: written and read a chunk at a time, so that memory does not grow with their number.

The first IMAGES_PER_FILE samples are samples.safetensors, which most stages read. Further ones are files of the same
kind in the folder shards, whose index.json says how many there are. A file has the bytes that save_image_set would
write, and those of a full one do not depend on how many follow it.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from stages.common.class_names import class_names
from stages.common.errors import UserError
from stages.common.files import atomic, file_size, open_regular, remedy, require, write_json
from stages.common.images import NO_LABEL, REMARKS, ImageSet, load_image_set, remarks_of, to_float
from stages.common.records import Record, read_record
from stages.common.shown import one_line, plain
from stages.common.strict_json import parse_json
from stages.common.tensor_header import LENGTH_BYTES, META, description, head_bytes

IMAGES_PER_FILE = 1_000_000
MOST_IMAGES = 10**12
"""More than any disk holds, and few enough to be counted off."""
IMAGES_PER_CHUNK = 1000
"""Computed at once; a multiple of BLOCK_SIZE that divides IMAGES_PER_FILE."""
READ_WHOLE = 100_000
"""Samples of a file that is read whole, to check all of it; of a larger one that is read in part, the part."""
FIRST, FURTHER, INDEX = "samples.safetensors", "shards", "index.json"
LABEL_BYTES = 8
IMAGE_DIMENSIONS = 3
"""Channels, height, width."""


class Index(Record):
    """How many samples there are in all, and in each file but the last."""

    num_images: Annotated[int, Field(ge=1)]
    images_per_file: Annotated[int, Field(ge=1)]

    @property
    def files(self) -> list[range]:
        """The numbers of the samples in each file, the first one included."""
        return parts_of(range(self.num_images), self.images_per_file)


def parts_of(numbers: range, size: int) -> list[range]:
    """Consecutive numbers as ranges of that size; the last one may have fewer."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def chunks_of(numbers: range) -> list[range]:
    """The numbers of the samples that are computed at once."""
    return parts_of(numbers, IMAGES_PER_CHUNK)


def index_of(num_images: int) -> Index:
    """How this code divides so many samples."""
    return Index(num_images=num_images, images_per_file=IMAGES_PER_FILE)


def file_bytes(num_images: int, image_shape: list[int]) -> int:
    """Bytes of that many samples and their labels, apart from the headers, which are small."""
    return num_images * (math.prod(image_shape) + LABEL_BYTES)


def path_of(folder: Path, number: int) -> Path:
    """The file with that number, from 0, of a folder such as data/generate."""
    return folder / FURTHER / f"samples_{number:05}.safetensors" if number else folder / FIRST


def clear(folder: Path) -> None:
    """Remove what an earlier run left in the folder of further files."""
    for stale in [*(folder / FURTHER).glob("samples_*"), folder / FURTHER / INDEX]:
        stale.unlink(missing_ok=True)


def write_index(folder: Path, index: Index) -> None:
    """Write how many samples there are, or will be, in how many files."""
    write_json(folder / FURTHER / INDEX, index.content())


def write_file(
    path: Path,
    chunks: Iterator[bytes],
    labels: Tensor,
    image_shape: list[int],
    classes: list[str],
    remarks: Sequence[str],
) -> None:
    """Write one file, whole or not at all.

    chunks: the images' uint8; labels: int64 [N]; the others as those of save_image_set.
    """
    meta: dict[str, Any] = {"classes": classes}
    if remarks:
        meta[REMARKS] = list(remarks)
    with atomic(path) as partial, partial.open("wb") as file:
        file.write(header(len(labels), image_shape, meta))
        file.write(labels.numpy().astype("<i8").tobytes())
        for chunk in chunks:
            file.write(chunk)


def header(num_images: int, image_shape: list[int], meta: dict[str, Any]) -> bytes:
    """What safetensors writes before the numbers of labels int64 [N] and images uint8 [N, C, H, W]."""
    labels, end = LABEL_BYTES * num_images, file_bytes(num_images, image_shape)
    content = {
        "__metadata__": {META: json.dumps(meta, sort_keys=True)},
        "labels": {"dtype": "I64", "shape": [num_images], "data_offsets": [0, labels]},
        "images": {"dtype": "U8", "shape": [num_images, *image_shape], "data_offsets": [labels, end]},
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


@dataclass(frozen=True)
class SampleFiles:
    """All samples of a folder such as data/generate, numbered from 0 across its files."""

    folder: Path
    index: Index

    def __len__(self) -> int:
        return self.index.num_images

    def require_alike(self, first: ImageSet) -> None:
        """Raise UserError, naming the file, if one does not hold what the index says, or images unlike the first."""
        for number, numbers in enumerate(self.index.files):
            path = path_of(self.folder, number)
            layout = _layout(path)
            for what, actual, expected in (
                ("samples", layout.count, len(numbers)),
                ("image shape", layout.image_shape, first.image_shape),
                ("classes", layout.classes, first.classes),
            ):
                if actual != expected:
                    said = f"expected {what} {plain(expected)}, found {plain(actual)}"
                    raise UserError(f"{path}: {said}; {_remedy(path)}")

    def read(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Images uint8 [count, C, H, W] and labels int64 [count] of the samples from that number on.

        Raises UserError if a file does not hold them.
        """
        pieces = []
        while count:
            number, row = divmod(first, self.index.images_per_file)
            rows = min(count, self.index.images_per_file - row)
            pieces.append(read_rows(path_of(self.folder, number), row, rows))
            first, count = first + rows, count - rows
        images, labels = zip(*pieces, strict=True)
        return torch.cat(images), torch.cat(labels)


def sample_files(folder: Path) -> SampleFiles | None:
    """All samples of the folder where they are more than one file; None where the first file holds all of them."""
    path = folder / FURTHER / INDEX
    if not path.exists():  # as where other tools wrote the samples
        return None
    index = read_record(path, Index)
    if index.images_per_file != IMAGES_PER_FILE or index.num_images > MOST_IMAGES:
        raise UserError(f"{path}: expected at most {MOST_IMAGES:,} images, {IMAGES_PER_FILE:,} a file; {_remedy(path)}")
    return SampleFiles(folder, index) if index.num_images > index.images_per_file else None


def load_first(path: Path, most: int | None) -> ImageSet:
    """The samples of a file, or of a large one the first `most`, which may be more than there are; None: all.

    Raises UserError as load_image_set; a large file is not read beyond them.
    """
    if most is None:
        return load_image_set(path)
    most = max(most, READ_WHOLE)
    try:
        layout = _layout(path)
    except UserError:
        return load_image_set(path)  # says what is wrong, or reads images of another kind
    if layout.count <= most:
        return load_image_set(path)
    images, labels = read_rows(path, 0, most)
    return ImageSet(to_float(images), labels, layout.classes, remarks=layout.remarks)


def read_rows(path: Path, first: int, count: int) -> tuple[Tensor, Tensor]:
    """Images uint8 [count, C, H, W] and labels int64 [count] of a file, from its row `first` on.

    Raises UserError if the file does not hold them.
    """
    layout = _layout(path)
    pixels = math.prod(layout.image_shape)
    with open_regular(path) as file:
        images = _bytes_at(path, file, layout.images_at + first * pixels, count * pixels)
        labels = _bytes_at(path, file, layout.labels_at + first * LABEL_BYTES, count * LABEL_BYTES)
    rows = torch.from_numpy(np.frombuffer(images, np.uint8).copy()).view(count, *layout.image_shape)
    numbers = torch.from_numpy(np.frombuffer(labels, "<i8").astype(np.int64))
    known = (numbers >= 0) & (numbers < len(layout.classes))
    if not known.all() and not (numbers == NO_LABEL).all():
        actual = f"{numbers.min()} to {numbers.max()}"
        expected = f"labels 0 to {len(layout.classes) - 1}, or all {NO_LABEL}"
        raise UserError(f"{path}: expected {expected}, found {actual}; {_remedy(path)}")
    return rows, numbers


@dataclass(frozen=True)
class _Layout:
    """Where the numbers of a file of samples are: bytes from its beginning; and what describes them."""

    count: int
    image_shape: list[int]
    images_at: int
    labels_at: int
    classes: list[str]
    remarks: tuple[str, ...]


def _layout(path: Path) -> _Layout:
    """Raises UserError if the file holds no samples as write_file writes them."""
    if not path.exists():
        raise UserError(f"{path} is missing; {_remedy(path)}")
    try:
        with open_regular(require(path)) as file:
            head = file.read(LENGTH_BYTES)
            head += file.read(head_bytes(head) - LENGTH_BYTES)
            meta = description(head, file_size(file))
        entries = parse_json(head[LENGTH_BYTES:])
        match entries:
            case {
                "images": {"dtype": "U8", "shape": [int(count), *shape], "data_offsets": [images, _]},
                "labels": {"dtype": "I64", "shape": [int(labelled)], "data_offsets": [labels, _]},
            } if count == labelled and len(shape) == IMAGE_DIMENSIONS:
                classes = class_names(meta.get("classes"))
                return _Layout(count, shape, len(head) + images, len(head) + labels, classes, remarks_of(meta))
        raise ValueError(f"images uint8 [N, C, H, W] and labels int64 [N] are not in {plain(entries)}")
    except ValueError as error:
        raise UserError(f"{path}: no file of samples ({one_line(error)}); {_remedy(path)}") from None


def _bytes_at(path: Path, file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    content = file.read(count)
    if len(content) != count:
        raise UserError(f"{path}: became shorter while it was read; {_remedy(path)}")
    return content


def _remedy(path: Path) -> str:
    """The folder shards is no stage; its parent is."""
    return remedy(path.parent if path.parent.name == FURTHER else path)
