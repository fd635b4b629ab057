"""What figures are said to be measured on."""

import pytest

from stages.gan import devices
from stages.gan.devices import Choice, Gpu
from tools.bench.machine import machine


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
