"""Checkpoints of one exact run, outside the outs that DVC deletes before it runs a stage.

They are kept in .checkpoints/<key> of the project, also those of a run in a temporary copy of it, so that it finds its
own when `dvc exp run --temp` or `--queue` makes another copy. The key is a hash of everything that decides
the result: if any of it changes, so does the key. A checkpoint holds what changes with every step; what is finished is
in one file beside (journal.py) that only grows. Where they cannot be written, training goes on without.
"""

import errno
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import pack_tensors, unpack_tensors
from stages.common.shown import printable
from stages.common.temporary_copy import project_of
from stages.gan.journal import Journal
from stages.gan.regular_files import discard, read_regular, write_regular

FULL = (errno.ENOSPC, errno.EDQUOT)
KEPT = 2
"""The newest checkpoint and its predecessor, in case the newest is damaged."""
WAITING_BYTES = 2**26
"""Finished records that wait in memory for the next checkpoint, at most, if they can be written."""
LOCK_WAIT_S = 10
"""How long to wait for a process that is just ending."""
DIGEST_BYTES = hashlib.sha256().digest_size

NAME = re.compile(r"step_([0-9]{9,10})\.checkpoint")
FINISHED = "finished.journal"
HOLDER = "holder"
HOLDER_BYTES = 10
"""The most digits of a process's number."""

RequireState = Callable[[dict[str, Tensor], dict[str, Any], list[str]], None]
"""Raises ValueError for named tensors, a description and names of finished records that make no state of a run."""


def run_key(params: dict[str, Any], inputs: list[Path], environment: dict[str, Any]) -> str:
    """Hash everything that decides a result: params, input files, the project's loaded code, and the environment."""
    root = Path(__file__).resolve().parents[2]
    files = (getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("stages"))
    main = getattr(sys.modules["__main__"], "__file__", None)
    code = {Path(file).resolve() for file in (*files, main) if file and Path(file).resolve().is_relative_to(root)}
    content = {
        "params": params,
        "inputs": {str(path): _sha256(path) for path in inputs},
        "code": {path.relative_to(root).as_posix(): _sha256(path) for path in code if "stages" in path.parts},
        "environment": environment,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def full_disk_tolerated(what: str) -> Iterator[None]:
    """On a full disk, print `what` to stderr instead of raising, so that training continues."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(f"{what}: the disk is full; training goes on", file=sys.stderr)


class Checkpoints:
    """The checkpoints of the run with that key. As a context manager it holds a lock: one process at a time.

    Raises UserError on entry, with the number of the process that holds the lock, if another one does. If the folder
    cannot be used, it says so on stderr, and there are no checkpoints.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.folder = project_of(Path()) / ".checkpoints" / key[:16]
        self.exist = False
        """Whether this process has written or loaded one."""
        # Beside the folder, because its holder removes the folder while others wait for the lock.
        self._lock = FileLock(self.folder.with_suffix(".lock"), fallback_to_soft=False)
        self._usable = True
        self._complaint = ""
        self._not_written_bytes = 0

    def __enter__(self) -> "Checkpoints":
        try:
            self._occupy()
        except OSError as error:
            self._usable = False
            print(
                f"no checkpoints in {self.folder.parent} ({_reason(error)}): training goes on without them, and if it "
                "is stopped, it is lost",
                file=sys.stderr,
            )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._lock.release()

    def _occupy(self) -> None:
        """Hold the lock, and leave this process's number for others. Raises UserError, OSError."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=LOCK_WAIT_S)
        except Timeout:
            who = _holder(self.folder / HOLDER)
            raise UserError(
                f"process {who} is training this very run; wait for it, or end it, then run `dvc repro` again"
            ) from None
        if self.folder.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, f"{self.folder.name} is a link")
        self.folder.mkdir(exist_ok=True)
        try:
            write_regular(self.folder / HOLDER, str(os.getpid()).encode())
        except OSError as error:
            if error.errno not in FULL:
                raise

    def save(self, step: int, tensors: dict[str, Tensor], meta: dict[str, Any], journal: Journal) -> bool:
        """Write the state after `step` steps atomically, and keep the newest KEPT. Returns whether it was written.

        journal: what is finished, of which only what is new is written. What prevents it is reported, and only this
        checkpoint is lost.
        """
        if not self._usable:
            return False
        with self._complaining(f"no checkpoint at step {step}"):
            mark = journal.write(self.folder / FINISHED)
            self._not_written_bytes = 0
            content = pack_tensors(tensors, meta | {"key": self.key, "finished": mark})
            write_regular(self._path(step), content + hashlib.sha256(content).digest())
            self.exist, self._complaint = True, ""
            self._discard_others(step)
            return True
        return False

    def write_finished(self, journal: Journal) -> None:
        """Write what is finished if much of it waits in memory for the next checkpoint.

        Where that fails, it is tried again when as much is added: not after every step.
        """
        if self._usable and journal.waiting_bytes > self._not_written_bytes + WAITING_BYTES:
            with self._complaining("finished snapshots and pictures stay in memory"):
                self._not_written_bytes = journal.waiting_bytes
                journal.write(self.folder / FINISHED)
                self._not_written_bytes = 0

    @contextmanager
    def _complaining(self, what: str) -> Iterator[None]:
        """On any error of the disk, say on stderr what is lost, once for each reason, instead of raising."""
        try:
            yield
        except OSError as error:
            reason = _reason(error)
            if reason != self._complaint:
                self._complaint = reason
                left = "what comes after the last one" if self.exist else "it"
                print(f"{what} ({reason}); training goes on, and if it is stopped, {left} is lost", file=sys.stderr)

    def load(self, journal: Journal, require_state: RequireState, most_bytes: int) -> bytes:
        """The packed state of the newest checkpoint that is whole and this run's own, or b"" if there is none.

        Others are reported on stderr and skipped. The journal then continues from what that one relies on. most_bytes:
        the size that no checkpoint of this run exceeds.
        """
        for path in self._newest_first() if self._usable else []:
            try:
                content = self._verified(path, journal, require_state, most_bytes)
            except (ValueError, OSError, RecursionError) as error:
                print(f"passing over checkpoint {path}: {_reason(error)}", file=sys.stderr)
            else:
                self.exist = True
                return content
        return b""

    def remove(self) -> None:
        """Delete all checkpoints: the run is finished. What else lies in the folder stays."""
        if not self._usable:
            return
        with suppress(OSError):
            own = [path for path in self.folder.iterdir() if _is_own(path.name)]
            for path in own:
                discard(path)
            self.folder.rmdir()
        with suppress(OSError):  # Windows keeps what is open
            Path(self._lock.lock_file).unlink()

    def _path(self, step: int) -> Path:
        return self.folder / f"step_{step:09}.checkpoint"

    def _discard_others(self, step: int) -> None:
        """Delete all checkpoints but the KEPT newest up to that step."""
        # One of a later step could not be loaded, or this run would have resumed from it.
        paths = self._newest_first()
        if self._path(step) in paths:  # it is not where the folder can be written to, but not read
            for old in {*paths} - {*paths[paths.index(self._path(step)) :][:KEPT]}:
                discard(old)

    def _newest_first(self) -> list[Path]:
        with suppress(OSError):
            found = [(int(match[1]), path) for path in self.folder.iterdir() if (match := NAME.fullmatch(path.name))]
            return [path for _, path in sorted(found, reverse=True)]
        return []

    def _verified(self, path: Path, journal: Journal, require_state: RequireState, most_bytes: int) -> bytes:
        stored = read_regular(path, most_bytes)
        content, digest = stored[:-DIGEST_BYTES], stored[-DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(f"its {len(stored)} bytes do not have the checksum that they end with")
        tensors, meta = unpack_tensors(content)
        if meta.get("key") != self.key:
            raise ValueError("it belongs to another run")
        candidate = Journal()
        try:
            candidate.take_up(self.folder / FINISHED, meta.get("finished"))
            require_state(tensors, meta, candidate.names())
            journal.take_up(self.folder / FINISHED, meta.get("finished"))
        finally:
            candidate.close()
        return content


def _holder(path: Path) -> str:
    """The number in a holder file, which anyone may have written; else `unknown`."""
    with suppress(OSError, ValueError):
        if (text := read_regular(path, HOLDER_BYTES)).isdigit():
            return text.decode("ascii")
    return "unknown"


def _is_own(name: str) -> bool:
    """Whether checkpoints, or writes of them that were broken off, have such a name."""
    name = name.removesuffix(".partial")
    return name in (FINISHED, HOLDER) or NAME.fullmatch(name) is not None


def _reason(error: Exception) -> str:
    """What an error says, in one line that a terminal can show."""
    if isinstance(error, OSError):
        return "the disk is full" if error.errno in FULL else printable(str(error.strerror or error))
    return printable(" ".join(str(error).split()))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
