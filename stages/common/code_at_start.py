"""The project's modules as they were before this process loaded them, which takes seconds: see unchanged.py.

Imported before any other module of the project.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

PACKAGE = "stages"
FOLDER = Path(__file__).resolve().parents[1]
SECOND_NS = 10**9


def forget_older_compilation(path: Path) -> None:
    """Delete what Python has compiled a module to, unless that was in a later second than the module's last edit.

    Python knows what is outdated by the module's size and its time in whole seconds: it would load a state from before
    an edit that came in the same second and kept the length.
    """
    compiled = Path(cache_from_source(str(path)))
    with suppress(OSError):  # there is none; or it cannot be deleted
        if compiled.stat().st_mtime_ns // SECOND_NS <= path.stat().st_mtime_ns // SECOND_NS:
            compiled.unlink()


def _modules() -> Iterator[tuple[str, str]]:
    for path in FOLDER.rglob("*.py"):
        with suppress(OSError):  # an editor's, which is gone already
            if path.is_file():
                yield f"{PACKAGE}/{path.relative_to(FOLDER).as_posix()}", hashlib.sha256(path.read_bytes()).hexdigest()
                forget_older_compilation(path)


CODE = dict(_modules())
"""The SHA-256 of all modules, by their paths in the project."""
