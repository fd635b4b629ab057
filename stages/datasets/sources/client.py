"""Programs that fetch or unpack packages, watched: they are killed when they take too long or write too much."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import psutil

from stages.datasets.sources.base import Deadline, FileError, SourceError
from stages.datasets.sources.reasons import one_line

OTHER_FILES_BYTES = 16 << 20
"""What a package may hold beside the dataset's files, and the headers of its archive."""
POLL_S = 0.05
FULL = ("ENOSPC", "No space left on device")
"""How programs say that a disk is full."""


def run_client(command: list[str], folder: Path, limit: int, output: BinaryIO | None = None) -> None:
    """Run a program in that folder, into which it may write `limit` bytes; output: takes what it prints.

    Raises SourceError, in one line that names the program, if it is not installed, fails, takes too long or writes too
    much, and OSError if the disk is full.
    """
    name, *arguments = command
    program = shutil.which(name)
    if program is None:
        raise SourceError(f"{name} is not installed")
    with tempfile.TemporaryFile() as errors:
        try:
            # The working folder decides where npm's tarball lands: older clients have no option for that.
            process = subprocess.Popen(
                [program, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError(f"{name} does not start ({error.strerror})") from None
        try:
            code = _watched(process, name, folder, errors.fileno(), limit)
        finally:
            _kill_all(process)
        errors.seek(0)
        reason = one_line(errors.read(1 << 16).decode(errors="replace"))
    if code and any(words in reason for words in FULL):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    if code:
        raise SourceError(f"{name} failed with exit code {code} ({reason})")


def member_of(files: dict[str, memoryview], folder: str, name: str) -> bytes:
    """The file of that name, plain or .gz, in a folder of a package's archive. Raises FileError if there is none."""
    for member in (f"{folder}/{name}", f"{folder}/{name}.gz"):
        if member in files:
            return bytes(files[member])
    raise FileError(f"{folder}/{name} is no file of the package")


def _watched(process: subprocess.Popen[bytes], name: str, folder: Path, errors: int, limit: int) -> int:
    """The exit code. Raises SourceError if the program takes too long, or writes more than `limit` bytes."""
    deadline = Deadline()
    while (code := process.poll()) is None:
        if not deadline.left_s():
            raise SourceError(f"{name} did not end within {deadline.allowed_s:g} seconds")
        if _size_of(folder) + os.fstat(errors).st_size > limit:
            raise SourceError(f"{name} wrote more than the {limit} bytes that the package can have")
        time.sleep(POLL_S)
    return code


def _size_of(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.lstat().st_size
    return size


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill the program, its process group, and those of its children that left the group."""
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    process.kill()
    process.wait()
