"""Reading and writing the files under data/: whole or not at all, the same bytes for the same content.

Tensors are stored as safetensors, which unpickles nothing, with one metadata key that holds sorted JSON (several
keys would be written in random order).
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from stages.common.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

META = "meta"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes that name only when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        # A write that fails does not say where.
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with the line ends that it has, on every system."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON as json_text gives it."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """JSON with sorted keys; a value that is not finite is an error, for JSON has no NaN."""
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as csv_text gives it."""
    write_text(path, csv_text(table))


def csv_text(table: "pd.DataFrame") -> str:
    """A table as CSV: a header, no index, floats with six digits, the same line ends on every system."""
    return str(table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))


def write_tensors(path: Path, tensors: "dict[str, Tensor]", meta: dict[str, Any]) -> None:
    """Write named tensors and a JSON-able description of them as one safetensors file."""
    write_bytes(path, pack_tensors(tensors, meta))


def pack_tensors(tensors: "dict[str, Tensor]", meta: dict[str, Any]) -> bytes:
    """Named tensors and a JSON-able description of them as safetensors."""
    from safetensors.torch import save  # noqa: PLC0415 (imports torch: a second, which a stage without tensors spares)

    packed = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(packed, metadata={META: json.dumps(meta, sort_keys=True)})


def unpack_tensors(content: bytes) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """What pack_tensors packed. Raises ValueError if it is anything else."""
    from safetensors.torch import load  # noqa: PLC0415 (see pack_tensors)

    try:
        size = int.from_bytes(content[:8], "little")
        meta = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][META])
        if not isinstance(meta, dict):
            raise TypeError(f"its description is {meta!r}")
        return load(content), meta
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"no safetensors with a description ({error})") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises UserError if it is missing or broken."""
    try:
        return json.loads(require(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); {remedy(path)}") from None


def read_tensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """The tensors (on the CPU) and the description that write_tensors stored. Raises UserError if it cannot be read."""
    try:
        return unpack_tensors(require(path).read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is not a file of this pipeline ({error}); {remedy(path)}") from None


def require(path: Path) -> Path:
    """The path itself, if a file is there; otherwise a UserError that says how to get it."""
    if not path.is_file():
        raise UserError(f"{path} is missing; {remedy(path)}")
    return path


def require_equal(path: Path, what: str, actual: object, expected: object, like: Path | None = None) -> None:
    """Raise UserError if a file holds another `what` than expected; like: the file that the expectation is from."""
    if actual != expected:
        origin = "" if like is None else f", as in {like}"
        raise UserError(f"{path}: expected {what} {expected}{origin}, found {actual}; {remedy(path)}")


def remedy(path: Path) -> str:
    """What to do about a file under data/ that is missing or broken, for the end of an error message."""
    return f"`dvc checkout {path}` restores it from the cache, `dvc repro {path.parent.name}` makes it again"
