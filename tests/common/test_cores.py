"""The number of cores against real affinities and control groups, and quotas as both versions of them are written."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.common import cores
from stages.common.cores import cgroup_quota
from tests.stage_process import ROOT

CORES = "import json; from stages.common.cores import available_cores; print(json.dumps(available_cores()))"


def cores_of(*prefix: str) -> int:
    """What a process that is started so says."""
    command = [*prefix, sys.executable, "-c", CORES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system knows no affinity of processes")
def test_cores_are_those_that_affinity_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "OWN_CGROUPS", Path("/does/not/exist"))
    before = os.sched_getaffinity(0)
    try:
        for count in range(1, len(before) + 1):
            os.sched_setaffinity(0, sorted(before)[:count])
            assert cores.available_cores() == count
    finally:
        os.sched_setaffinity(0, before)


def test_a_list_of_groups_that_cannot_be_read_limits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "OWN_CGROUPS", tmp_path)
    unlimited = cores.available_cores()
    (tmp_path / "cgroup").write_bytes(b"0::/\xff\n")
    monkeypatch.setattr(cores, "OWN_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    assert cores.available_cores() == unlimited


GROUPS = Path("/sys/fs/cgroup")


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """A real control group of this machine that grants one core."""
    hierarchy = GROUPS / "cpu" if (GROUPS / "cpu").is_dir() else GROUPS
    group = hierarchy / f"gan_test_{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"this user may not make a control group: {error.strerror}")
    try:
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_quota_us").write_text("100000", encoding="ascii")
            (group / "cpu.cfs_period_us").write_text("100000", encoding="ascii")
        elif (group / "cpu.max").exists():
            (group / "cpu.max").write_text("100000 100000", encoding="ascii")
        else:
            pytest.skip("the control groups of this machine do not limit cores")
        yield group
    finally:
        group.rmdir()


@pytest.mark.skipif(cores.available_cores() < 2, reason="one core cannot become fewer")
def test_cores_are_no_more_than_a_real_control_group_grants(limited_group: Path) -> None:
    assert cores_of() > 1
    assert cores_of("sh", "-c", f'echo $$ > {limited_group}/cgroup.procs && exec "$0" "$@"') == 1


V1 = "9:name=systemd:/\n2:cpuacct:/elsewhere\n1:{}:{}\n0::/\n"


def quota_v1(group: str, quota: int) -> dict[str, str]:
    return {f"{group}/cpu.cfs_quota_us": str(quota), f"{group}/cpu.cfs_period_us": "100000"}


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({}, "0::/\n", math.inf),
        ({"cpu.max": "max 100000"}, "0::/\n", math.inf),
        ({"cpu.max": "150000 100000"}, "0::/\n", 1.5),
        ({"cpu.max": "150000 100000"}, "0::/docker/of/the/host\n", 1.5),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 2),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "50000 100000"}, "0::/a/b\n", 0.5),
        ({"a/cpu.max": "50000 100000"}, "0::/other\n", math.inf),
        ({"cpu.max": "nonsense"}, "0::/\n", math.inf),
        ({"cpu.max": "many 100000"}, "0::/\n", math.inf),
        ({"cpu.max": "50000 0"}, "0::/\n", math.inf),
        ({"cpu.max": "50000 100000"}, "nonsense\n\n0::/\n", 0.5),
        ({"cpu.max": "50000 100000"}, "", math.inf),
        (quota_v1("cpu", -1), V1.format("cpu", "/"), math.inf),
        (quota_v1("cpu", 300000), V1.format("cpu", "/"), 3),
        (quota_v1("cpu/a", 50000), V1.format("cpu,cpuacct", "/a/b"), 0.5),
    ],
)
def test_quota_of_control_groups_of_both_versions(
    files: dict[str, str], membership: str, expected: float, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n", encoding="ascii")
    assert cgroup_quota(tmp_path, membership) == expected
