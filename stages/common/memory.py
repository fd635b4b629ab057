"""How much memory there is: of the machine, or of the container that a process runs in."""

from pathlib import Path

import psutil

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""What a container may use, in version 2 and version 1 of Linux's control groups."""


def memory_limit(cgroups: tuple[Path, ...] = CGROUP_LIMITS) -> int:
    """Bytes of memory that a process can get here: of the machine, or of the container if that is less."""
    limits = [psutil.virtual_memory().total]
    for path in cgroups:
        try:
            limits.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no control groups, or `max`
            continue
    return min(limits)


def free_memory() -> int:
    """Bytes of memory that are free now, as far as the system tells."""
    return min(psutil.virtual_memory().available, memory_limit())
