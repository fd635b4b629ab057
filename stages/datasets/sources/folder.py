"""A folder of this machine as a source: the checksum decides which of its files is the right one, not the name."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stages.datasets.sources.base import Deadline, Fetch, File, FileError, SourceError, unpacked

NO_SOURCE = "neither a folder that exists nor an http(s) address"
MAX_ENTRIES = 20_000
"""Files and folders that are looked at, at most."""
MAX_DEPTH = 3
"""Folders below the one named that are searched: <name>/MNIST/raw/<file> has two."""


@dataclass(frozen=True)
class Folder:
    """A folder that holds the files, plain or as gzip, under their names, in folders of their own or anywhere below."""

    path: Path

    def __str__(self) -> str:
        return f"folder {self.path}"

    @contextmanager
    def open(self, total: int) -> Iterator[Fetch]:
        """Only see that the folder exists."""
        try:
            present = self.path.is_dir()
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
        if not present:
            raise SourceError(NO_SOURCE)
        deadline = Deadline(total)
        yield lambda name, file: self._fetch(name, file, deadline)

    def read(self, name: str, limit: int) -> bytes:
        """The uncompressed file of that name, which nothing verifies. Raises FileError, also beyond `limit` bytes."""
        for path in (self.path / name, self.path / f"{name}.gz"):
            if path.exists():
                return unpacked(read_regular(path, limit), limit)
        raise FileError(f"neither {name} nor {name}.gz is in the folder")

    def _fetch(self, name: str, file: File, deadline: Deadline) -> bytes:
        failures = []
        for path in self._candidates(name, file):
            deadline.check()
            try:
                return file.verified(read_regular(path, file.limit))
            except FileError as error:
                failures.append(str(error))
        raise FileError(failures[0] if failures else f"neither {name} nor {name}.gz is in the folder")

    def _candidates(self, name: str, file: File) -> Iterator[Path]:
        """Files that may be the right one: those of its names first, then those whose size says that they may be."""
        direct = [self.path / name, self.path / f"{name}.gz"]
        yield from (path for path in direct if os.path.lexists(path) and not os.path.isdir(path))  # noqa: PTH112
        others = [path for path in files_below(self.path) if path not in direct]
        named = [path for path in others if plain_name(path.name) == plain_name(name)]
        yield from named
        yield from (path for path in others if path not in named and may_hold(path, file.size))


def plain_name(name: str) -> str:
    """The name without what differs between copies: train-images.idx3-ubyte.gz is train-images-idx3-ubyte, too."""
    return name.lower().removesuffix(".gz").replace(".", "-").replace("_", "-")


def files_below(folder: Path) -> Iterator[Path]:
    """All that is no folder, in the folder and in those below, nearest first; a folder that cannot be read is empty."""
    level, left = [folder], MAX_ENTRIES
    for _ in range(MAX_DEPTH + 1):
        below: list[Path] = []
        for parent in level:
            for path, is_folder in entries(parent, left):
                left -= 1
                if is_folder:
                    below.append(path)
                else:
                    yield path
        level = below


def entries(folder: Path, most: int) -> list[tuple[Path, bool]]:
    """Up to `most` entries of a folder, sorted, and whether each is a folder; none if it cannot be listed."""
    try:
        with os.scandir(folder) as listing:
            return sorted((folder / entry.name, _is_folder(entry)) for entry in islice(listing, most))
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def may_hold(path: Path, size: int) -> bool:
    """Whether a regular file has that size, or is gzip whose last four bytes tell it (RFC 1952, ISIZE)."""
    try:
        with open_regular(path) as descriptor:
            length = os.fstat(descriptor).st_size
            if length == size:
                return True
            if length < 18 or os.read(descriptor, 2) != b"\x1f\x8b":
                return False
            os.lseek(descriptor, -4, os.SEEK_END)
            return int.from_bytes(os.read(descriptor, 4), "little") == size % 2**32
    except (FileError, OSError):
        return False


def read_regular(path: Path, limit: int) -> bytes:
    """A regular file of at most `limit` bytes. Raises FileError for anything else; does not wait for FIFOs."""
    try:
        with open_regular(path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            if (size := os.fstat(descriptor).st_size) > limit:
                raise FileError(f"has {size} bytes, more than the {limit} allowed")
            content = file.read(limit + 1)
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})") from None
    if len(content) > limit:
        raise FileError(f"has more than the {limit} bytes allowed")
    return content


@contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """A descriptor of a regular file, open for reading. Raises FileError or OSError if it is none."""
    # Without O_NONBLOCK, opening a FIFO waits for whoever writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not stat.S_ISREG(path.stat().st_mode):
        raise FileError("is not a regular file")
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileError("is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)
