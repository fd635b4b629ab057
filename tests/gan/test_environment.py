"""The description of the machine: what decides bytes, and nothing else."""

import json
import platform
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.gan import environment

CPU = torch.device("cpu")
CPUINFO = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: A processor
stepping\t: 8
cpu MHz\t\t: 98765.432
siblings\t: 777777
cpu cores\t: 888888

processor\t: 1
vendor_id\t: Another
model name\t: Another processor
"""


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


def test_of_cpuinfo_only_the_kind_of_the_first_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPUINFO)
    monkeypatch.setattr(environment, "CPUINFO", cpuinfo)
    assert environment.describe(CPU)["processor"] == {
        "vendor_id": "GenuineIntel",
        "cpu_family": "6",
        "model": "143",
        "model_name": "A processor",
    }


@pytest.mark.parametrize("content", [None, "Features\t: fp asimd\n"], ids=["no file", "another architecture"])
def test_without_those_fields_what_python_says(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert environment.describe(CPU)["processor"] == {"description": "arm"}


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
