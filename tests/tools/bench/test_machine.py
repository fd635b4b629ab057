"""What figures are said to be measured on."""

from pathlib import Path

import pytest

from stages.gan import devices
from stages.gan.devices import Choice, Gpu
from tools.bench.machine import commit, machine
from tools.repository import git


def test_the_gpu_that_trains_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [Gpu("cuda:0", "Old GPU", "no kernels"), Gpu("cuda:1", "NVIDIA H200", None)]
    monkeypatch.setattr(devices, "_usable", lambda kind: (Choice(kind, [1]) if kind == "cuda" else None, ""))
    monkeypatch.setattr(devices, "probe", lambda _kind: gpus)
    for device in ("auto", "cuda"):
        assert ", NVIDIA H200, " in machine(device)
        assert "Old GPU" not in machine(device)
    assert "NVIDIA" not in machine("cpu")


def test_a_machine_without_one_is_named_by_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_usable", lambda _kind: (None, ""))
    assert machine() == machine("cpu")
    assert machine("cpu").count(", ") >= 2


def test_a_network_that_git_does_not_know_is_not_in_the_commit(tmp_path: Path) -> None:
    networks = tmp_path / "stages" / "gan" / "networks"
    networks.mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("{}\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet", throw_away=True)
    git(tmp_path, "add", "--all", throw_away=True)
    git(tmp_path, "commit", "--quiet", "--message", "All", throw_away=True)
    git(tmp_path, "config", "status.showUntrackedFiles", "no", throw_away=True)
    assert not commit(tmp_path).endswith("+")
    (networks / "mine.py").touch()
    assert commit(tmp_path).endswith("+")
