"""Files that the page reads: of a bounded size, and hashed a piece at a time."""

import hashlib
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import file_size, open_regular, remedy, require

MOST_BYTES = {".png": 64 << 20, ".gif": 256 << 20, ".csv": 256 << 20}
"""Of a file by its ending, far above what stages write: a page with more could not be opened."""
PIECE_BYTES = 1 << 20


class Files:
    """The files of a run below a folder, by their names."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.names: list[str] = []

    def path(self, name: str) -> Path:
        """The path of a file that the page reads. Raises UserError if it is missing."""
        path = require(self.data / name)
        if name not in self.names:
            self.names.append(name)
        return path

    def content(self, name: str) -> bytes:
        """The bytes of a picture. Raises UserError if it is missing or too large."""
        return content_of(self.path(name))

    def sha256(self) -> dict[str, str]:
        """Of each file that was asked for so far: to be called last, after their readers have looked at their sizes."""
        return {name: digest_of(self.data / name, "sha256") for name in self.names}


def content_of(path: Path) -> bytes:
    """The bytes of a file with an ending in MOST_BYTES. Raises UserError if it is missing, or larger than that."""
    most = MOST_BYTES[path.suffix]
    try:
        with open_regular(require(path)) as file:
            if (size := file_size(file)) > most:
                raise ValueError(f"expected at most {most >> 20} MiB, found {size / 2**20:.4g}")
            return file.read(most)
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy(path)}") from None


def digest_of(path: Path, algorithm: str) -> str:
    """The hash of a file, in bounded memory. Raises UserError if it is missing."""
    try:
        with open_regular(require(path)) as file:
            digest = hashlib.new(algorithm, usedforsecurity=False)
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
            return digest.hexdigest()
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy(path)}") from None
