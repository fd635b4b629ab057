"""The description of the machine: what decides bytes, and nothing else."""

import json
import platform
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.common.user_settings import PRELOADED, RECORDED
from stages.gan import environment

CPU = torch.device("cpu")


def test_keys_and_versions() -> None:
    found = environment.describe(CPU)
    assert set(found) == {"device", "gpu", "processor", "instruction_set", "limits", "system", "machine", "versions"}
    assert found["device"] == "cpu"
    assert found["gpu"] is None
    expected = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    assert found["versions"] == expected
    assert found["processor"]


def test_goes_through_json_unchanged() -> None:
    found = environment.describe(CPU)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_guests_that_differ_in_instructions_alone_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "cpuinfo")
    found = []
    for flags in ("avx avx2 fma", "avx avx2"):
        (tmp_path / "cpuinfo").write_text(f"vendor_id\t: GenuineIntel\nmodel\t: 85\nflags\t: {flags}\n")
        found.append(environment.describe(CPU))
    assert found[0] != found[1]
    assert found[0]["processor"]["model"] == found[1]["processor"]["model"] == "85"


@pytest.mark.parametrize("name", [*RECORDED, *PRELOADED])
def test_what_makes_libraries_compute_otherwise_is_recorded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in (*RECORDED, *PRELOADED):
        monkeypatch.delenv(other, raising=False)
    assert environment.describe(CPU)["limits"] == {}
    monkeypatch.setenv(name, "/home/somebody/lib.so")
    expected = "lib.so" if name in PRELOADED else "/home/somebody/lib.so"
    assert environment.describe(CPU)["limits"] == {name: expected}


def test_knows_no_host_name_core_count_or_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine that differs in these only."""
    expected = environment.describe(CPU)
    monkeypatch.setattr("os.cpu_count", lambda: 12345)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12345)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 12345)
    for module in (socket, platform):
        monkeypatch.setattr(module, "gethostname" if module is socket else "node", lambda: "another-host")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert environment.describe(CPU) == expected
