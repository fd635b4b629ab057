"""Files in a folder into which anyone may have put anything: links, FIFOs, folders, and files without end.

No link is followed, nothing is waited for, and a size is known before anything is read.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedIOBase, FileIO
from pathlib import Path

from stages.common.files import write_bytes

PIECE = 1 << 20
CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Windows has only the last of these, and neither such links nor FIFOs."""


def open_without_links(path: Path, writable: bool = False) -> FileIO:
    """The file at that path, for reading and maybe writing. Raises ValueError if it is anything but a file, OSError."""
    if path.is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path.name} is no regular file")
    number = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | CAREFULLY)
    return FileIO(number, "r+" if writable else "r")


def read_regular(path: Path, most: int) -> bytes:
    """The content of a file of at most that many bytes. Raises ValueError for anything else, OSError."""
    with open_without_links(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"its {size} bytes are more than the {most} that it can have")
        return b"".join(pieces(file, size))


def write_regular(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, in place of whatever has its name. Raises OSError."""
    path.with_name(path.name + ".partial").unlink(missing_ok=True)  # a FIFO there would make the write wait
    write_bytes(path, content)


def create_anew(path: Path) -> FileIO:
    """A new, empty file for reading and writing, in place of whatever has its name. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | CAREFULLY, 0o666), "r+")


def is_still_at(path: Path, file: FileIO) -> bool:
    """Whether the open file is the one at that path, not one that was moved or deleted."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    return False


def pieces(file: FileIO | BufferedIOBase, size: int) -> Iterator[bytes]:
    """The next `size` bytes, or fewer at the end of the file, in pieces that any memory holds."""
    while size > 0 and (piece := file.read(min(size, PIECE))):
        yield piece
        size -= len(piece)


def write_all(file: FileIO, content: bytes) -> None:
    """Write all of the content: an unbuffered file may take less at a time. Raises OSError."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def copy_bytes(source: FileIO, target: FileIO, size: int) -> None:
    """The first `size` bytes of one file to where the other is. Raises OSError."""
    source.seek(0)
    for piece in pieces(source, size):
        write_all(target, piece)


def discard(path: Path) -> None:
    """Delete a file or link, if that is possible."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
