"""A package of Debian and its kin as a source; apt's own client gets it, without root, and nothing is installed.

`apt-get download` leaves the package in the folder it runs in, verified by the signatures that the system trusts;
`dpkg-deb` gives its files as a tar archive, which is read in memory.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.datasets.sources import client
from stages.datasets.sources.base import Fetch, FileError, SourceError
from stages.datasets.sources.client import member_of, run_client
from stages.datasets.sources.folder import read_regular
from stages.datasets.sources.unpack import BrokenArchiveError, tar_files

OPTIONS = ("--quiet", "--option=Acquire::Retries=1", "--option=APT::Color=false", "--option=Dpkg::Use-Pty=false")
ARCHIVE = "archive.tar"


@dataclass(frozen=True)
class AptPackage:
    """A package that holds the files in `folder`, a path without the slash at its beginning."""

    name: str
    folder: str

    def __str__(self) -> str:
        return f"apt package {self.name}"

    @contextmanager
    def open(self, total: int) -> Iterator[Fetch]:
        """Get the package, which may hold little more than `total` bytes, into a temporary folder."""
        limit = total + client.OTHER_FILES_BYTES
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            run_client(["apt-get", *OPTIONS, "download", self.name], Path(temporary), limit)
            archive = _archive(Path(temporary), limit)
        yield lambda name, file: file.verified(member_of(archive, f"./{self.folder}", name))


def _archive(folder: Path, limit: int) -> dict[str, memoryview]:
    """The files of the package in that folder by name. Raises SourceError if there is none, or a broken one."""
    package = next(folder.glob("*.deb"), None)
    if package is None:
        raise SourceError("apt-get download left no package")
    with (folder / ARCHIVE).open("xb") as output:
        # The package is still there while its files are written.
        run_client(["dpkg-deb", "--fsys-tarfile", package.name], folder, 2 * limit, output)
    try:
        return tar_files(read_regular(folder / ARCHIVE, limit))
    except (FileError, BrokenArchiveError) as error:
        raise SourceError(f"its archive {error}") from None
