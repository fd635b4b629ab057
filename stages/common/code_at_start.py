"""The project's modules as they were before this process loaded them, which takes seconds: see unchanged.py.

Imported before any other module of the project.
"""

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]


def stat_of(path: Path) -> tuple[int, int, int]:
    """Size, time and place of a file: whoever edits or replaces it changes one of them."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def forget_older_compilation(path: Path) -> None:
    """Delete what Python has compiled a module to, if that is older than the module.

    Python knows what is outdated by the module's size and its time in whole seconds: it would load a state from before
    an edit that came in the same second and kept the length.
    """
    compiled = Path(cache_from_source(str(path)))
    with suppress(OSError):  # there is none; or it cannot be deleted
        if compiled.stat().st_mtime_ns <= path.stat().st_mtime_ns:
            compiled.unlink()


def _modules() -> Iterator[tuple[str, tuple[int, int, int]]]:
    for path in FOLDER.rglob("*.py"):
        with suppress(OSError):  # an editor's, which is gone already
            if path.is_file():
                yield path.relative_to(FOLDER.parent).as_posix(), stat_of(path)
                forget_older_compilation(path)


CODE = dict(_modules())
"""Size, time and place of all modules, by their paths in the project."""
