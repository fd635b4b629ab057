"""IDX, the file format of MNIST and of what the stage download writes, whatever the format of the source.

A magic number, the sizes as big-endian uint32, then the values row by row. The magic number is two zero bytes, the type
and the number of dimensions. torchvision reads the same files, but meets a broken one with a bare assertion: here each
error says what was expected and found.
"""

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stages.common.errors import UserError
from stages.common.files import file_size, open_regular, remedy, require, require_memory

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""The files that download writes: images uint8 [N, H, W] or [N, H, W, C], labels of an integer type [N]."""
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IMAGES = (b"\0\0\x08\x03", b"\0\0\x08\x04")
LABELS = (b"\0\0\x08\x01", b"\0\0\x09\x01", b"\0\0\x0b\x01", b"\0\0\x0c\x01")
"""Magic numbers of the files we read."""

COPIES = 4
"""Of a file's content, that are held while it is decoded: as bytes, joined, to be changed, and as int64 labels."""

Format = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]
"""Makes the four files NAMES from the verified files of a dataset, both by name."""


def unchanged(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The format of a dataset whose files are the four of NAMES already."""
    return files


def read_images(path: Path) -> "Tensor":
    """Images uint8 [N, H, W] or [N, H, W, C] of an uncompressed IDX file.

    Raises UserError if the file is missing, compressed, of another kind, empty, truncated or too long.
    """
    from torch import from_numpy  # noqa: PLC0415 (a second to import, which download spares)

    return from_numpy(_read(path, IMAGES, "images"))


def read_labels(path: Path) -> "Tensor":
    """Labels int64 [N] of an uncompressed IDX file of any integer type; raises UserError as read_images does."""
    from torch import from_numpy  # noqa: PLC0415 (see read_images)

    return from_numpy(_read(path, LABELS, "labels").astype(np.int64))


def encode(values: npt.NDArray[np.generic]) -> bytes:
    """An array of one of the TYPES as the content of an IDX file. Raises ValueError for another type."""
    kinds = (kind for kind, dtype in TYPES.items() if np.dtype(dtype) == values.dtype.newbyteorder(">"))
    if (kind := next(kinds, None)) is None:
        raise ValueError(f"IDX has no type {values.dtype}")
    header = struct.pack(f">4B{values.ndim}I", 0, 0, kind, values.ndim, *values.shape)
    return header + values.astype(TYPES[kind]).tobytes()


def decode(content: bytes) -> npt.NDArray[np.generic]:
    """The array in the content of an IDX file, in the file's byte order. Raises ValueError if it is no such content."""
    return _decoded(content, _shape(content[: _header_size(content)], len(content)))


def _read(path: Path, magics: tuple[bytes, ...], kind: str) -> npt.NDArray[np.generic]:
    with open_regular(require(path)) as file:
        size = file_size(file)
        start = file.read(4)
        if start not in magics:
            expected = f"the magic number {' or '.join(magic.hex() for magic in magics)} of {kind}"
            raise UserError(f"{path}: expected {expected}, found {_describe(start)}; {_advice(path, start, magics)}")
        try:
            header = start + file.read(_header_size(start) - 4)
            # The size is checked before the content is read: a header may promise anything.
            shape = _shape(header, size)
            require_memory(path, COPIES * size)
            return _decoded(header + file.read(size - len(header)), shape)
        except ValueError as error:
            raise UserError(f"{path}: {error}; {remedy(path)}") from None


def _header_size(start: bytes) -> int:
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in TYPES:
        raise ValueError(f"expected an IDX file, found {_describe(start[:4])}")
    return 4 + 4 * start[3]


def _shape(header: bytes, size: int) -> tuple[int, ...]:
    """The shape in the header of a file of that many bytes."""
    start = 4 + 4 * header[3]
    if len(header) < start:
        raise ValueError(f"expected a header of {start} bytes, found {len(header)} bytes")
    shape = struct.unpack(f">{header[3]}I", header[4:])
    if 0 in shape:
        raise ValueError(f"expected at least one entry, found the shape {list(shape)}")
    expected = start + math.prod(shape) * np.dtype(TYPES[header[2]]).itemsize
    if size != expected:
        raise ValueError(f"expected {expected} bytes for the shape {list(shape)} of its header, found {size} bytes")
    return shape


def _decoded(content: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    values = np.frombuffer(bytearray(content), dtype=TYPES[content[2]], offset=4 + 4 * len(shape))
    return values.reshape(shape)


def _describe(magic: bytes) -> str:
    """What the first bytes of a file say that it is, as far as we can tell."""
    if magic.startswith(b"\x1f\x8b"):
        return "a gzip file"
    kind = "labels" if magic in LABELS else "images" if magic in IMAGES else ""
    return f"{magic.hex() or 'an empty file'}{kind and f' of {kind}'}"


def _advice(path: Path, magic: bytes, magics: tuple[bytes, ...]) -> str:
    """A file of a type that we do not read is not damaged: restoring it would not help."""
    types = {known[2] for known in magics}
    if len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in TYPES and magic[2] not in types:
        return "a data set with values of that type needs a format of its own in stages/datasets/formats"
    return remedy(path)
