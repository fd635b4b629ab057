"""What all sources of data share: the files to get, what fetching them may cost, and how failures are reported.

Whatever a source gives is hostile until its SHA-256 is verified: its size bounds the memory that it may take, a
deadline the time, and no failure of a source is more than one line, which never shows a password or a token.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from stages.datasets.sources.unpack import BrokenArchiveError, gunzip, is_gzip

SOURCE_TIMEOUT_S = 300.0
"""Seconds that one source may take for all of its files; then the next one is tried."""
OVERHEAD_BYTES = 1 << 20
"""How much longer than the uncompressed file an answer may be: gzip and HTTP headers, chunk sizes."""
GZIP_LAYERS = 3
"""A .gz file that a server compresses again has two."""


class FileError(Exception):
    """This source cannot give this file; it may have others."""


class SourceError(Exception):
    """This source can give nothing."""


@dataclass(frozen=True)
class File:
    """One file of a dataset.

    size: bytes, uncompressed; sha256: of these bytes; remote_name: what sources call the file, if that differs from
    the name that the dataset's format knows it by.
    """

    size: int
    sha256: str
    remote_name: str | None = None

    @property
    def limit(self) -> int:
        """The most bytes that any form of this file may have."""
        return self.size + OVERHEAD_BYTES

    def verified(self, content: bytes) -> bytes:
        """The uncompressed file. Raises FileError if the content is neither it nor it as gzip."""
        # The bytes decide, not the name: some servers unpack .gz files on the way, or compress them once more.
        content = unpacked(content, self.limit)
        actual = hashlib.sha256(content).hexdigest()
        if actual != self.sha256:
            raise FileError(f"expected SHA-256 {self.sha256}, found {actual} in {len(content)} bytes")
        return content


Fetch = Callable[[str, File], bytes]
"""Name at the source and file to the file's verified bytes; raises FileError or SourceError."""


class Source(Protocol):
    """Gives files by name; its str() names it in messages, without secrets."""

    def open(self, total: int) -> AbstractContextManager[Fetch]:
        """Get ready to fetch files of `total` bytes, uncompressed. Raises SourceError if that fails."""


class Deadline:
    """The moment when a source's time is over."""

    def __init__(self) -> None:
        self.allowed_s = SOURCE_TIMEOUT_S
        self._end = time.monotonic() + self.allowed_s

    def left_s(self) -> float:
        """Seconds until then, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise SourceError if the time is over."""
        if not self.left_s():
            raise self.error()

    def error(self) -> SourceError:
        """That the time is over."""
        return SourceError(f"took longer than {self.allowed_s:g} seconds")


def unpacked(content: bytes, limit: int) -> bytes:
    """The content, without its layers of gzip. Raises FileError if one is broken or longer than limit."""
    for _ in range(GZIP_LAYERS):
        if not is_gzip(content):
            break
        try:
            content = gunzip(content, limit)
        except BrokenArchiveError as error:
            raise FileError(f"its gzip data {error}") from None
    return content
