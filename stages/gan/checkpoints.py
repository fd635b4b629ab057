"""Checkpoints of one exact run, outside the outs that DVC deletes before it runs a stage.

They are kept in $DVC_ROOT/.checkpoints/<key>: DVC_ROOT is the repository that `dvc exp run --temp` and `--queue` were
started from, so that a run in a temporary copy finds its own checkpoints. The key is a hash of everything that decides
the result: if any of it changes, so does the key.
"""

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import pack_tensors, unpack_tensors, write_bytes

KEPT = 2
"""The newest checkpoint and its predecessor, in case the newest is damaged."""
LOCK_WAIT_S = 10
"""How long to wait for a process that is just ending."""
DIGEST_BYTES = hashlib.sha256().digest_size

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Named tensors and a JSON-able description."""


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
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"{what}: the disk is full; training goes on", file=sys.stderr)


class Checkpoints:
    """The checkpoints of the run with that key. As a context manager it holds a lock: one process at a time.

    Raises UserError on entry, with the number of the process that holds the lock, if another one does.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.folder = Path(os.environ.get("DVC_ROOT", ".")) / ".checkpoints" / key[:16]
        # Beside the folder, because its holder removes the folder while others wait for the lock.
        self._lock = FileLock(self.folder.with_suffix(".lock"))

    def __enter__(self) -> "Checkpoints":
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        holder = self.folder / "holder"
        try:
            self._lock.acquire(timeout=LOCK_WAIT_S)
        except Timeout:
            who = holder.read_text(encoding="ascii") if holder.exists() else "unknown"
            raise UserError(
                f"process {who} is training this very run; wait for it, or end it, then run `dvc repro` again"
            ) from None
        self.folder.mkdir(exist_ok=True)
        holder.write_text(str(os.getpid()), encoding="ascii")
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def save(self, step: int, tensors: dict[str, Tensor], meta: dict[str, Any]) -> bool:
        """Write the state after `step` steps atomically, and keep the newest KEPT. Returns whether it was written.

        A full disk is reported, and only this checkpoint is lost.
        """
        content = pack_tensors(tensors, meta | {"key": self.key})
        newest = self._path(step)
        with full_disk_tolerated(f"no checkpoint at step {step}"):
            write_bytes(newest, content + hashlib.sha256(content).digest())
            paths = self._newest_first()
            # A checkpoint of a later step could not be loaded, or this run would have resumed from it.
            for old in {*paths} - {*paths[paths.index(newest) :][:KEPT]}:
                old.unlink(missing_ok=True)
            return True
        return False

    def load(self) -> bytes:
        """The packed state of the newest checkpoint that is whole and this run's own, or b"" if there is none.

        Others are reported on stderr and skipped.
        """
        for path in self._newest_first():
            try:
                return self._verified(path)
            except (ValueError, OSError) as error:
                print(f"passing over checkpoint {path}: {error}", file=sys.stderr)
        return b""

    def remove(self) -> None:
        """Delete the folder: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # Windows keeps what is open
            Path(self._lock.lock_file).unlink()

    def _path(self, step: int) -> Path:
        return self.folder / f"step_{step:09}.checkpoint"

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step_*.checkpoint"), reverse=True)

    def _verified(self, path: Path) -> bytes:
        stored = path.read_bytes()
        content, digest = stored[:-DIGEST_BYTES], stored[-DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(f"its {len(stored)} bytes do not have the checksum that they end with")
        _, meta = unpack_tensors(content)
        if meta.get("key") != self.key:
            raise ValueError("it belongs to another run")
        return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
