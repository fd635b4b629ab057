"""The stages of the pipeline, one module each, and the libraries they share.

Sums of floats depend on how many threads share them, so every process here computes on one thread, and
the variables that say so must be set before torch and numpy load: this module is imported before both.
Speed comes from more processes, never from more threads.
"""

import os
from pathlib import Path

PARENT = os.getppid()
"""Who started this process, noted before anything is imported that takes time: see gan/launch.py."""


def stat_of(path: Path) -> tuple[int, int, int]:
    """Size, time and place of a file: whoever edits or replaces it changes one of them."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


FOLDER = Path(__file__).resolve().parent
CODE = {path.relative_to(FOLDER.parent).as_posix(): stat_of(path) for path in FOLDER.rglob("*.py") if path.is_file()}
"""All modules, as they were before one was loaded: see common/unchanged.py."""

from stages.common.loading import explain_failing_imports  # noqa: E402
from stages.common.streams import open_standard_streams  # noqa: E402
from stages.common.user_settings import follow_no_user  # noqa: E402

open_standard_streams()
explain_failing_imports()
follow_no_user()

import psutil  # noqa: E402


def _parent_of(number: int) -> int:
    try:
        return psutil.Process(number).ppid()
    except psutil.Error:
        return 0


GRANDPARENT = _parent_of(PARENT)
"""And who started that, for a shell may stand between DVC and this process."""
