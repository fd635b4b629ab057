"""IDX, the file format of MNIST: a magic number, the sizes as big-endian uint32, then the bytes row by row.

The magic number is two zero bytes, the type (08: unsigned bytes) and the number of dimensions. torchvision reads
the same files, but meets a broken one with a bare assertion: here each error says what was expected and found.
"""

import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import remedy, require

KINDS = {1: "labels", 3: "images"}
"""What a file of unsigned bytes of so many dimensions holds."""


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The content of an uncompressed IDX file of unsigned bytes, uint8 [N] or [N, H, W] for 1 or 3 dimensions.

    Raises UserError if the file is missing, compressed, of another kind, empty, truncated or too long.
    """
    content = bytearray(require(path).read_bytes())
    magic, expected = bytes(content[:4]), bytes([0, 0, 8, dimensions])
    if magic != expected:
        wanted = f"the magic number {expected.hex()} of {KINDS[dimensions]}"
        raise UserError(f"{path}: expected {wanted}, found {_describe(magic)}; {remedy(path)}")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise UserError(f"{path}: expected a header of {start} bytes, found {len(content)} bytes; {remedy(path)}")
    shape = struct.unpack_from(f">{dimensions}I", content, offset=4)
    if 0 in shape:
        raise UserError(f"{path}: expected at least one entry, found the shape {list(shape)}; {remedy(path)}")
    if len(content) != (size := start + math.prod(shape)):
        wanted = f"{size} bytes for the shape {list(shape)} of its header"
        raise UserError(f"{path}: expected {wanted}, found {len(content)} bytes; {remedy(path)}")
    return torch.frombuffer(content, dtype=torch.uint8, offset=start).view(shape)


def _describe(magic: bytes) -> str:
    """What the first bytes of a file say that it is, as far as we can tell."""
    if magic.startswith(b"\x1f\x8b"):
        return "a gzip file"
    kind = KINDS.get(magic[3]) if magic[:3] == b"\0\0\x08" and len(magic) == 4 else None
    return f"{magic.hex() or 'an empty file'}{f' of {kind}' if kind else ''}"
