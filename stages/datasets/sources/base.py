"""What all sources of data share: the files to get, what fetching them may cost, and how failures are reported.

Whatever a source gives is hostile until its checksum is verified: its size bounds the memory that it may take, a
deadline the time, and no failure of a source is more than one line, which never shows a password or a token.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from stages.datasets.sources.unpack import BrokenArchiveError, gunzip, is_gzip

SOURCE_TIMEOUT_S = 300.0
"""Seconds that one source may take for all of its files, large ones apart; then the next one is tried."""
SOURCE_BYTES_PER_S = 1_000_000
"""Files of more than SOURCE_TIMEOUT_S times as many bytes may take a second for each of that many."""
OVERHEAD_BYTES = 1 << 20
"""How much longer than the uncompressed file an answer may be: gzip and HTTP headers, chunk sizes."""
MD5_DIGITS = 32
GZIP_LAYERS = 3
"""A .gz file that a server compresses again has two."""


class FileError(Exception):
    """This source cannot give this file; it may have others."""


class SourceError(Exception):
    """This source can give nothing."""


@dataclass(frozen=True)
class File:
    """One file of a dataset.

    size: bytes, without layers of gzip; sha256: of these bytes; published: where that is not known, SHA-256 or (32
    digits) MD5 of the file as its publisher has it, which may be compressed; remote_name: what sources call the file,
    if that differs from the name that the dataset's format knows it by.
    """

    size: int
    sha256: str | None = None
    remote_name: str | None = None
    published: str | None = None

    @property
    def limit(self) -> int:
        """The most bytes that any form of this file may have."""
        return self.size + OVERHEAD_BYTES

    def verified(self, content: bytes) -> bytes:
        """The file without layers of gzip. Raises FileError if the content is neither it nor it as gzip."""
        # The bytes decide, not the name: some servers unpack .gz files on the way, or compress them once more.
        *_, inner = layers = list(unpacked_layers(content, self.limit))
        if self.sha256 is not None:
            expected, candidates = self.sha256, [inner]
        else:
            assert self.published is not None
            expected, candidates = self.published, layers
        kind, method = ("MD5", hashlib.md5) if len(expected) == MD5_DIGITS else ("SHA-256", hashlib.sha256)
        actual = [method(candidate).hexdigest() for candidate in candidates]
        if expected not in actual:
            whole = "" if self.sha256 else " of the file as published"
            raise FileError(f"expected {kind} {expected}{whole}, found {actual[0]} in {len(candidates[0])} bytes")
        return inner


Fetch = Callable[[str, File], bytes]
"""Name at the source and file to the file's verified bytes; raises FileError or SourceError."""


class Source(Protocol):
    """Gives files by name; its str() names it in messages, without secrets."""

    def open(self, total: int) -> AbstractContextManager[Fetch]:
        """Get ready to fetch files of `total` bytes, uncompressed. Raises SourceError if that fails."""


class Deadline:
    """The moment when a source's time is over."""

    def __init__(self, total: int = 0) -> None:
        """total: bytes of all files, uncompressed."""
        self.allowed_s = max(SOURCE_TIMEOUT_S, total / SOURCE_BYTES_PER_S)
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
        return SourceError(f"took longer than {self.allowed_s:.4g} seconds")


def unpacked(content: bytes, limit: int) -> bytes:
    """The content, without its layers of gzip. Raises FileError if one is broken or longer than limit."""
    *_, inner = unpacked_layers(content, limit)
    return inner


def unpacked_layers(content: bytes, limit: int) -> Iterator[bytes]:
    """The content, then what each layer of gzip holds, the last one none; raises FileError as unpacked does."""
    yield content
    for _ in range(GZIP_LAYERS):
        if not is_gzip(content):
            break
        try:
            content = gunzip(content, limit)
        except BrokenArchiveError as error:
            raise FileError(f"its gzip data {error}") from None
        yield content
