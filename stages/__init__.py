"""The stages of the pipeline, one module each, and the libraries they share.

Sums of floats depend on how many threads share them, so every process here computes on one thread, and
the variables that say so must be set before torch and numpy load: this module is imported before both.
Speed comes from more processes, never from more threads.
"""

import os

PARENT = os.getppid()
"""Who started this process, noted before anything is imported that takes time: see gan/launch.py."""

# isort: split

from stages.common import code_at_start  # noqa: E402 (the first of the project)

# isort: split

from stages.common import garbage  # noqa: E402
from stages.common.loading import explain_failing_imports  # noqa: E402
from stages.common.streams import open_standard_streams  # noqa: E402
from stages.common.user_settings import follow_no_user  # noqa: E402

assert code_at_start
garbage.put_off()
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
