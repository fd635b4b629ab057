"""The stages of the pipeline, one module each, and the libraries they share.

Sums of floats depend on how many threads share them, so every process here computes on one thread, and
the variables that say so must be set before torch and numpy load: this module is imported before both.
Speed comes from more processes, never from more threads.
"""

import os

PARENT = os.getppid()
"""Who started this process, noted before anything is imported that takes time: see common/processes.py."""

import psutil  # noqa: E402


def _parent_of(number: int) -> int:
    try:
        return psutil.Process(number).ppid()
    except psutil.Error:
        return 0


GRANDPARENT = _parent_of(PARENT)
"""And who started that, for a shell may stand between DVC and this process."""

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_variable] = "1"
# cuBLAS is deterministic only with a fixed workspace, read at its first call.
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
