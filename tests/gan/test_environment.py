"""The description of the machine: what decides bytes, and nothing else."""

import ctypes
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
    kind = {"device", "gpu", "processor", "instruction_set", "limits", "system", "c_library", "machine", "versions"}
    assert set(found) == kind
    assert found["device"] == "cpu"
    assert found["gpu"] is None
    expected = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    assert found["versions"] == expected
    assert found["processor"]


@pytest.mark.parametrize(
    ("system", "macos", "libc", "expected"),
    [
        ("Linux", "", ("glibc", "2.36"), "glibc 2.36"),
        ("Linux", "", ("musl", ""), "musl"),
        ("Linux", "", ("", ""), "unknown"),
        ("Darwin", "15.1", ("", ""), "macOS 15.1"),
        ("Windows", "", ("", ""), "Windows 10.0.22631"),
    ],
)
def test_what_computes_exp_and_log_is_named(
    system: str, macos: str, libc: tuple[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C library; of macOS and Windows the version it comes with, of Linux never the kernel's, which dates it."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), ""))
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(platform, "version", lambda: "10.0.22631")
    assert environment.describe(CPU)["c_library"] == expected


@pytest.mark.skipif(platform.system() != "Linux", reason="asks glibc")
def test_the_c_library_is_the_one_that_is_loaded() -> None:
    """By its own answer, not by what Python was built for."""
    glibc = ctypes.CDLL(None)
    if not hasattr(glibc, "gnu_get_libc_version"):
        pytest.skip("another C library")
    glibc.gnu_get_libc_version.restype = ctypes.c_char_p
    assert environment.describe(CPU)["c_library"] == f"glibc {glibc.gnu_get_libc_version().decode()}"


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
