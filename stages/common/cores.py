"""How many processor cores this process really gets."""

import math
import os
from pathlib import Path

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that this process really gets: by affinity, and by the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        membership = OWN_CGROUPS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # another system, or a container that hides it
        membership = ""
    quota = cgroup_quota(CGROUPS, membership)
    return max(1, math.ceil(min(cores, quota)))  # not the other way: infinity has no ceiling


def cgroup_quota(mount: Path, membership: str) -> float:
    """Cores' worth of time that Linux control groups, of version 2 or 1, grant; infinite if there is no limit.

    membership: the lines of /proc/self/cgroup. The limits of the groups around the own one count too. In a container
    the path may be the host's; its own group is then the mounted root.
    """
    quotas = [math.inf]
    for line in membership.splitlines():
        _, controllers, path = (*line.split(":", 2), "?", "?")[:3]
        if controllers == "":
            root, read = mount, _quota_v2
        elif "cpu" in controllers.split(","):
            root, read = mount / "cpu", _quota_v1
        else:
            continue
        group = root / path.lstrip("/")
        quotas += [read(folder) for folder in (group, *group.parents) if folder.is_relative_to(root)]
    return min(quotas)


def _quota_v2(group: Path) -> float:
    try:
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _quota_v1(group: Path) -> float:
    try:
        quota, period = (
            int((group / f"cpu.cfs_{name}_us").read_text(encoding="ascii")) for name in ("quota", "period")
        )
        return quota / period if quota > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
