"""The header of a safetensors file, checked in full before a tensor is read.

The file is the length of its header as little-endian uint64, the header as JSON (dtype, shape and place of each tensor;
metadata as texts), and the tensors' bytes without a gap. Our description is one text of the metadata.
"""

import math
from typing import Any

from stages.common.shown import shown
from stages.common.strict_json import parse_json

META = "meta"
"""The key of the metadata that holds our description as sorted JSON: several keys would be written in random order."""
LENGTH_BYTES = 8
MOST_HEADER_BYTES = 1 << 24
"""Enough for 100,000 tensors; the format itself allows 100 MB."""
MOST_DIMENSIONS = 8
DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8,
    "U64": 8, "F64": 8,
}  # fmt: skip
"""By the names that the header has for them."""


def head_bytes(start: bytes) -> int:
    """How many bytes of a file that starts so are its length and header, or more than any file's that we read."""
    return LENGTH_BYTES + min(int.from_bytes(start[:LENGTH_BYTES], "little"), MOST_HEADER_BYTES)


def description(head: bytes, size: int) -> dict[str, Any]:
    """The description in the header of a file of `size` bytes, which begins with `head`.

    Raises ValueError, in one line, if there is none, or if the file cannot be what the header says.
    """
    length = int.from_bytes(head[:LENGTH_BYTES], "little")
    if size < LENGTH_BYTES or length > min(MOST_HEADER_BYTES, size - LENGTH_BYTES):
        raise ValueError(f"{size} bytes that begin with a header of {length} bytes")
    header = parse_json(head[LENGTH_BYTES : LENGTH_BYTES + length])
    metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"a header without texts as metadata: {shown(header)}")
    if META not in metadata:
        raise ValueError(f"metadata without the key {META}: {shown(metadata)}")
    end = _end_of_tensors(header)
    if (expected := LENGTH_BYTES + length + end) != size:
        raise ValueError(f"{size} bytes where its header promises {expected}")
    if not isinstance(meta := parse_json(metadata[META]), dict):
        raise ValueError(f"its description is {shown(meta)}")
    return meta


def _end_of_tensors(header: dict[str, Any]) -> int:
    """Bytes of all tensors. Raises ValueError if one is not described, or does not begin where another ends."""
    end = 0
    for start, stop, name in sorted(_place(name, entry) for name, entry in header.items()):
        if start != end:
            raise ValueError(f"the tensor {shown(name)} begins at byte {start} where {end} was expected")
        end = stop
    return end


def _place(name: str, entry: object) -> tuple[int, int, str]:
    """First byte, end, and name of a tensor. Raises ValueError if dtype, shape and place do not belong together."""
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, stop], **rest} if (
            not rest
            and dtype in DTYPE_BYTES
            and len(shape) <= MOST_DIMENSIONS
            and all(type(number) is int and 0 <= number < 1 << 63 for number in (*shape, start, stop))
            and stop - start == math.prod(shape) * DTYPE_BYTES[dtype]
        ):
            return start, stop, name
    raise ValueError(f"the tensor {shown(name)} is {shown(entry)}")
