"""What a training has finished: snapshots, pictures and rows of the history, in one file that only grows.

A checkpoint names how many bytes of the file it relies on and their SHA-256, so that neither its size nor its time
depends on how long the run is. The file stays open: if it is deleted meanwhile, it is written again. What cannot be
written waits in memory, so that a run without room for checkpoints has the same results.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from io import BufferedIOBase, BufferedReader, FileIO
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.gan.regular_files import copy_bytes, create_anew, is_still_at, open_without_links, pieces, write_all

HEAD = re.compile(rb"([a-z]{1,20}\.[A-Za-z0-9_.]{1,60}) ([0-9]{1,15}) ([0-9a-f]{64})\n")
"""A line before each record: its name, the bytes of its content, and the content's SHA-256."""
HEAD_BYTES = 200
"""More than a head can have."""


@dataclass(frozen=True)
class Record:
    """Where the content of a record is in the file, and its SHA-256."""

    offset: int
    size: int
    sha256: str


class Journal:
    """Records by name, in the order in which they were added; none ever changes."""

    def __init__(self) -> None:
        self._stored: dict[str, Record] = {}
        self._waiting: dict[str, bytes] = {}
        self._path = Path()
        self._file: FileIO | None = None
        self._end, self._hash = 0, hashlib.sha256()

    def add(self, name: str, content: bytes) -> None:
        """Add a record, which waits in memory for the next `write`."""
        self._waiting[name] = content

    def names(self, kind: str = "") -> list[str]:
        """The names of all records that begin with that word, in the order in which they were added."""
        return [name for name in (*self._stored, *self._waiting) if name.startswith(kind)]

    @property
    def waiting_bytes(self) -> int:
        """The size of what is only in memory."""
        return sum(map(len, self._waiting.values()))

    def read(self, name: str) -> bytes:
        """The content of a record. Raises UserError if the file has been changed."""
        if name in self._waiting:
            return self._waiting[name]
        record, file = self._stored[name], self._file
        content = b""
        if file is not None:
            file.seek(record.offset)
            content = b"".join(pieces(file, record.size))
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise UserError(
                f"{self._path}: {name} was changed or lost on disk while training; run `dvc repro` again, which "
                "resumes from a checkpoint that does not rely on it, or starts anew"
            )
        return content

    def write(self, path: Path) -> dict[str, Any]:
        """Append what waits to the file at that path, on the disk. Returns what `take_up` needs to find all of it.

        Raises OSError; then the records still wait, and nothing that was written before is lost.
        """
        file = self._opened(path)
        end, digest, stored = self._end, self._hash.copy(), {}
        file.seek(end)
        for name, content in self._waiting.items():
            sha256 = hashlib.sha256(content).hexdigest()
            head = f"{name} {len(content)} {sha256}\n".encode()
            for piece in (head, content):
                write_all(file, piece)
                digest.update(piece)
            stored[name] = Record(end + len(head), len(content), sha256)
            end += len(head) + len(content)
        os.fsync(file.fileno())
        self._stored |= stored
        self._waiting = {}
        self._end, self._hash = end, digest
        return {"bytes": end, "sha256": digest.hexdigest()}

    def take_up(self, path: Path, mark: object) -> None:
        """Continue from what `write` returned. Raises ValueError or OSError, and changes nothing, if it is not there.

        What was added before is forgotten: it is in the file.
        """
        match mark:
            case {"bytes": int(end), "sha256": str(sha256)} if not isinstance(end, bool):
                file = open_without_links(path, writable=True)
            case _:
                raise ValueError("it does not say what it relies on")
        try:
            stored, digest = _read_records(reader := BufferedReader(file), end)
            reader.detach()
            if digest.hexdigest() != sha256:
                raise ValueError(f"the first {end} bytes of {path.name} are not those that it relies on")
        except BaseException:
            file.close()
            raise
        self.close()
        self._path, self._file = path, file
        self._stored, self._waiting, self._end, self._hash = stored, {}, end, digest

    def close(self) -> None:
        """Close the file. What it holds cannot be read any more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self, path: Path) -> FileIO:
        """The file at that path: a new one for the first record, and one with the same content if it was deleted."""
        if self._file is None or not is_still_at(path, self._file):
            file = create_anew(path)
            try:
                if self._file is not None:
                    copy_bytes(self._file, file, self._end)
            except BaseException:
                file.close()
                raise
            self.close()
            self._path, self._file = path, file
        return self._file


def _read_records(file: BufferedIOBase, end: int) -> tuple[dict[str, Record], Any]:
    """The records in the first `end` bytes, and the hash of these bytes. Raises ValueError for anything else."""
    stored: dict[str, Record] = {}
    digest, offset = hashlib.sha256(), 0
    while offset < end:
        head = file.readline(HEAD_BYTES)
        digest.update(head)
        offset += len(head)
        match = HEAD.fullmatch(head)
        if match is None or (size := int(match[2])) > end - offset:
            raise ValueError(f"no finished record at byte {offset - len(head)} of the {end} that it relies on")
        own = hashlib.sha256()
        for piece in pieces(file, size):
            digest.update(piece)
            own.update(piece)
        if own.hexdigest() != match[3].decode():
            raise ValueError(f"the record at byte {offset - len(head)} of what it relies on is damaged")
        stored[match[1].decode()] = Record(offset, size, own.hexdigest())
        offset += size
    return stored, digest
