"""Reading and writing the files under data/: whole or not at all, the same bytes for the same content.

Files are written as if a reader could trust them, and read as if a stranger had written them: first the kind of file,
then its size, then its content. Tensors are stored as safetensors, which unpickles nothing; see tensor_header.py.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from safetensors import SafetensorError

from stages.common.errors import UserError
from stages.common.memory import free_memory
from stages.common.shown import one_line, plain
from stages.common.strict_json import parse_json
from stages.common.tensor_header import LENGTH_BYTES, META, description, head_bytes

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

MOST_JSON_BYTES = 1 << 23
READING_COPIES = 2
"""Of a file's content, that are held while its tensors are made."""
KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


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
        meta = description(content, len(content))
        return load(content), meta
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"no safetensors with a description ({one_line(error)})") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises UserError if it is missing, too large or broken."""
    try:
        with open_regular(require(path)) as file:
            if (size := file_size(file)) > MOST_JSON_BYTES:
                raise ValueError(f"expected at most {MOST_JSON_BYTES} bytes, found {size}")
            return parse_json(file.read(MOST_JSON_BYTES))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); {remedy(path)}") from None


def read_tensors(path: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """The tensors (on the CPU) and the description that write_tensors stored. Raises UserError if it cannot be read."""
    try:
        return unpack_tensors(read_packed(require(path)))
    except ValueError as error:
        raise UserError(f"{path} is not a file of this pipeline ({error}); {remedy(path)}") from None


def read_packed(path: Path) -> bytes:
    """The content of a file of tensors, whose header is checked before the rest is read.

    Raises ValueError, in one line, if it is no such file, and UserError if it is too large for the memory that is free.
    """
    with open_regular(path) as file:
        size = file_size(file)
        head = file.read(LENGTH_BYTES)
        head += file.read(head_bytes(head) - LENGTH_BYTES)
        try:
            description(head, size)
        except ValueError as error:
            raise ValueError(f"no safetensors with a description ({error})") from None
        require_memory(path, READING_COPIES * size)
        return head + file.read(size - len(head))


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises ValueError for anything else; never waits for who writes to a FIFO."""
    require_regular(path.stat())
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        require_regular(os.fstat(descriptor))  # of what was opened, even if another file was put there meanwhile
        yield file


def require_regular(status: os.stat_result) -> None:
    """Raise ValueError, which says what it is, for anything but a regular file; links are followed before."""
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for holds, name in KINDS.items() if holds(status.st_mode)), "something else")
        raise ValueError(f"expected a regular file, found {kind}")


def file_size(file: BinaryIO) -> int:
    """The bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def require_memory(path: Path, needed: int) -> None:
    """Raise UserError if the bytes of memory that reading the file needs are not free."""
    if needed > (free := free_memory()):
        raise UserError(
            f"{path}: reading it needs {needed / 2**30:.3g} GiB of memory, and {free / 2**30:.3g} GiB are free; end "
            f"other programs, or if the file is not to be so large, {remedy(path)}"
        )


def require(path: Path) -> Path:
    """The path itself, if a regular file is there, links followed; otherwise a UserError that says how to get it."""
    if not path.exists():
        raise UserError(f"{path} is missing; {remedy(path)}")
    try:
        require_regular(path.stat())
    except ValueError as error:
        raise UserError(f"{path}: {error}; remove it, then {remedy(path)}") from None
    return path


def require_equal(path: Path, what: str, actual: object, expected: object, like: Path | None = None) -> None:
    """Raise UserError if a file holds another `what` than expected; like: the file that the expectation is from."""
    if actual != expected:
        origin = "" if like is None else f", as in {like}"
        raise UserError(f"{path}: expected {what} {plain(expected)}{origin}, found {plain(actual)}; {remedy(path)}")


def remedy(path: Path) -> str:
    """What to do about a file under data/ that is missing or broken, for the end of an error message."""
    return f"`dvc checkout {path}` restores it from the cache, `dvc repro {path.parent.name}` makes it again"
