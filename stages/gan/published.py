"""Curves and pictures in the stage's folder, during training and at its end: what is new, for the rest is there."""

from pathlib import Path

from stages.common.files import atomic, write_bytes
from stages.gan import signs
from stages.gan.history import csv_header
from stages.gan.loop import HISTORY, LOOK, PICTURE, Loop


class Published:
    """What of a training this process has written into the folder. The first time it writes all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pictures: set[str] = set()
        self._rows: list[str] = []
        self._table_bytes = -1

    def update(self, loop: Loop) -> None:
        """Write the new pictures, append the new rows to history.csv, and write monitor.csv. By process 0 alone.

        Raises OSError.
        """
        self._append_rows(loop)
        write_looks(self.folder / "monitor.csv", loop)
        for name in loop.journal.names(PICTURE):
            if name not in self._pictures:
                write_bytes(self.folder / "samples" / name.removeprefix(PICTURE), loop.journal.read(name))
                self._pictures.add(name)

    def _append_rows(self, loop: Loop) -> None:
        loop.settle_rows()
        path, names = self.folder / "history.csv", loop.journal.names(HISTORY)
        if not path.is_file() or path.is_symlink() or path.stat().st_size != self._table_bytes:
            write_history(path, loop)
        else:
            with path.open("ab") as file:
                for name in names[len(self._rows) :]:
                    file.write(loop.journal.read(name))
        self._rows, self._table_bytes = names, path.stat().st_size


def write_history(path: Path, loop: Loop) -> None:
    """Write all rows up to now, whole or not at all."""
    loop.settle_rows()
    with atomic(path) as partial, partial.open("wb") as file:
        file.write(csv_header().encode())
        for name in loop.journal.names(HISTORY):
            file.write(loop.journal.read(name))


def write_looks(path: Path, loop: Loop) -> None:
    """Write what the monitor has seen up to now, whole or not at all."""
    lines = [loop.journal.read(name) for name in loop.journal.names(LOOK)]
    write_bytes(path, b"".join([signs.csv_header().encode(), *lines]))
