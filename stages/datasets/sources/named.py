"""The source that a user names in GAN_DATA_SOURCE."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import url2pathname

from stages.datasets.sources.base import Fetch, Source, SourceError
from stages.datasets.sources.folder import NO_SOURCE, Folder
from stages.datasets.sources.mirror import Mirror


@dataclass(frozen=True)
class Unsupported:
    """An address that is neither http(s) nor of a folder; it may hold a password, so only its kind is shown."""

    name: str = field(repr=False)

    def __str__(self) -> str:
        return f"address {self.name.partition(':')[0]}:..."

    @contextmanager
    def open(self, total: int) -> Iterator[Fetch]:
        """Raise SourceError."""
        raise SourceError(NO_SOURCE)
        yield  # makes this a generator


def named_source(name: str) -> Source:
    """A mirror for an http(s) address, else a folder, which a file:// address may name, too."""
    scheme, _, rest = name.partition(":")
    if rest.startswith("//") and scheme.lower() in ("http", "https"):
        return Mirror(f"{scheme.lower()}:{rest}")
    if match := re.match(r"file:(//(localhost)?)?(?=/[^/])", name, re.IGNORECASE):
        return Folder(Path(url2pathname(name[match.end() :])))
    if re.match(r"[a-z][a-z0-9+.-]+:/", name, re.IGNORECASE):  # C:\mnist is a folder
        return Unsupported(name)
    return Folder(Path(name))
