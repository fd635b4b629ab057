"""Write snapshots.safetensors without holding all snapshots: its header first, then one snapshot after the other.

The bytes are those that safetensors gives for all tensors at once: by dtype, then by name, without a gap.
"""

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import atomic, pack_tensors
from stages.common.tensor_header import LENGTH_BYTES

Entry = tuple[str, int, str]
"""A tensor's name in the file, the steps of its snapshot, and its name there."""


def write_snapshots(
    path: Path, kept_at: Iterable[int], like: dict[str, Tensor], read: Callable[[int], bytes], meta: dict[str, Any]
) -> None:
    """Write the states of a network after those steps as <steps>.<name of the tensor>, whole or not at all.

    like: a state of the network; read: gives pack_tensors of the state after some steps. Raises UserError if such a
    state has other tensors than `like`.
    """
    header, expected = _header(pack_tensors({}, meta)), _header(pack_tensors(like, {}))
    del expected["__metadata__"]
    kept_at, dtypes = list(kept_at), list(dict.fromkeys(tensor["dtype"] for tensor in expected.values()))
    entries: list[Entry] = []
    offset = 0
    for dtype in dtypes:
        of_dtype = [name for name, tensor in expected.items() if tensor["dtype"] == dtype]
        for entry in sorted((f"{steps}.{name}", steps, name) for steps in kept_at for name in of_dtype):
            start, end = expected[entry[2]]["data_offsets"]
            header[entry[0]] = expected[entry[2]] | {"data_offsets": [offset, offset + end - start]}
            entries.append(entry)
            offset += end - start
    with atomic(path) as partial, partial.open("wb") as file:
        file.write(_packed(header))
        for steps, group in groupby(entries, key=lambda entry: entry[1]):
            content = read(steps)
            actual = _header(content)
            del actual["__metadata__"]
            if actual != expected:
                raise UserError(
                    f"the snapshot after {steps} steps is none of this network: delete .checkpoints, and run "
                    "`dvc repro` again"
                )
            data = memoryview(content)[_data_offset(content) :]
            for _, _, name in group:
                start, end = expected[name]["data_offsets"]
                file.write(data[start:end])


def _data_offset(content: bytes) -> int:
    return LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")


def _header(content: bytes) -> dict[str, Any]:
    """The header of packed tensors, in the order in which they lie."""
    header: dict[str, Any] = json.loads(content[LENGTH_BYTES : _data_offset(content)])
    return header


def _packed(header: dict[str, Any]) -> bytes:
    """A header with its length before it, and spaces up to a multiple of 8 bytes, as safetensors writes it."""
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text
