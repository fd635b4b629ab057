"""GPUs that are there and do not work: `auto` goes on and says so, a named device is refused in one line.

There need be no GPU here: the probe's answers are given, or its process is another program.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from stages.common.errors import UserError
from stages.gan import devices, probe
from stages.gan.devices import Choice, Gpu, choose, choose_as_launched, pass_on, read_answers

FULL = "CUDA out of memory. Tried to allocate 2.00 MiB"
FULL_OF_OTHERS = "CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has"
BUSY = "CUDA-capable device(s) is/are busy or unavailable"
"""Of a GPU that another process has for itself (nvidia-smi --compute-mode=EXCLUSIVE_PROCESS)."""
NOT_YET = "Unexpected error from cudaGetDeviceCount(). Error 802: system"
NO_KERNEL = "CUDA error: no kernel image is available for execution on the device"


@pytest.fixture(autouse=True)
def gpus(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Gpu]]:
    """The GPUs that this machine seems to have, by kind: what a probe of each kind finds."""
    found: dict[str, list[Gpu]] = {}
    monkeypatch.setattr(devices, "is_claimed", lambda kind: kind in found)
    monkeypatch.setattr(devices, "probe", lambda kind: found[kind])
    for name in (devices.VISIBLE, devices.LAUNCHED_ON):
        monkeypatch.delenv(name, raising=False)
    return found


def cuda(*problems: str | None, model: str = "H") -> list[Gpu]:
    return [Gpu(f"cuda:{number}", model, problem) for number, problem in enumerate(problems)]


# --- what is chosen ---


@pytest.mark.parametrize(
    ("present", "name", "expected", "line"),
    [
        ({}, "auto", Choice("cpu"), ""),
        ({}, "cpu", Choice("cpu"), ""),
        ({"cuda": cuda(None)}, "auto", Choice("cuda", [0]), ""),
        ({"cuda": cuda(None, None)}, "cuda", Choice("cuda", [0, 1]), ""),
        ({"cuda": cuda(None)}, "cpu", Choice("cpu"), ""),
        ({"cuda": []}, "auto", Choice("cpu"), ""),
        ({"mps": [Gpu("mps", "mps", None)]}, "auto", Choice("mps", [0]), ""),
        ({"cuda": cuda(NO_KERNEL)}, "auto", Choice("cpu"), f"cuda:0 ({NO_KERNEL}) does not work; cpu is used instead"),
        (
            {"cuda": cuda(NO_KERNEL), "mps": [Gpu("mps", "mps", None)]},
            "auto",
            Choice("mps", [0]),
            f"cuda:0 ({NO_KERNEL}) does not work; mps is used instead",
        ),
        (
            {"cuda": cuda(FULL, None, None)},
            "auto",
            Choice("cuda", [1, 2]),
            f"cuda:0 ({FULL}) does not work; cuda:1, cuda:2 is used instead",
        ),
        (
            {"cuda": cuda(None, FULL)},
            "cuda",
            Choice("cuda", [0]),
            f"cuda:1 ({FULL}) does not work; cuda:0 is used instead",
        ),
        (
            {"cuda": cuda(FULL, NO_KERNEL)},
            "auto",
            Choice("cpu"),
            f"cuda:0 ({FULL}), cuda:1 ({NO_KERNEL}) does not work; cpu is used instead",
        ),
    ],
)
def test_choice(
    present: dict[str, list[Gpu]],
    name: str,
    expected: Choice,
    line: str,
    gpus: dict[str, list[Gpu]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpus.update(present)
    assert choose(name) == expected
    assert capsys.readouterr().err == (f"train_gan.device: {line}\n" if line else "")


def test_gpus_of_another_model_are_left_out(gpus: dict[str, list[Gpu]]) -> None:
    """The bytes of a run depend on the model."""
    gpus["cuda"] = [
        Gpu("cuda:0", "A", FULL),
        Gpu("cuda:1", "B", None),
        Gpu("cuda:2", "A", None),
        Gpu("cuda:3", "B", None),
    ]
    assert choose("auto") == Choice("cuda", [1, 3])


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_named_device_that_is_not_there_is_refused(name: str) -> None:
    message = rf"^train_gan\.device: {name} is not available; this machine has cpu: set one of them, or auto$"
    with pytest.raises(UserError, match=message):
        choose(name)


def test_a_named_device_that_does_not_work_is_refused_with_the_reason(gpus: dict[str, list[Gpu]]) -> None:
    gpus["cuda"] = cuda(FULL, NO_KERNEL)
    with pytest.raises(UserError) as caught:
        choose("cuda")
    assert str(caught.value) == (
        f"train_gan.device: cuda does not work: cuda:0 ({FULL}), cuda:1 ({NO_KERNEL}); this machine has cpu: "
        "set one of them, or auto"
    )


def test_what_works_in_its_place_is_named(gpus: dict[str, list[Gpu]]) -> None:
    gpus |= {"cuda": cuda(NO_KERNEL), "mps": [Gpu("mps", "mps", None)]}
    with pytest.raises(UserError, match="this machine has cpu, mps: set one of them"):
        choose("cuda")
    gpus["cuda"], gpus["mps"] = cuda(None), [Gpu("mps", "mps", "broken")]
    with pytest.raises(UserError, match="this machine has cpu, cuda: set one of them"):
        choose("mps")


@pytest.mark.parametrize("value", ["abc", "7", "GPU-1234"])
def test_a_variable_that_shows_no_gpu_is_named(
    value: str, gpus: dict[str, list[Gpu]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(devices.VISIBLE, value)
    gpus["cuda"] = []
    assert choose("auto") == Choice("cpu")
    assert f"cuda (CUDA_VISIBLE_DEVICES is '{value}', which shows none)" in capsys.readouterr().err
    with pytest.raises(UserError, match=f"CUDA_VISIBLE_DEVICES is '{value}'"):
        choose("cuda")


# --- several processes ---


def test_each_process_has_a_gpu_that_works() -> None:
    choice = Choice("cuda", [1, 3])
    assert [choice.device(place) for place in (0, 1)] == [torch.device("cuda", 1), torch.device("cuda", 3)]
    with pytest.raises(UserError, match="3 processes of this machine need a GPU each, and 2 work"):
        choice.device(2)
    assert [Choice(kind).device(5) for kind in ("cpu", "mps")] == [torch.device("cpu"), torch.device("mps")]


@pytest.mark.parametrize(
    ("before", "numbers", "after"),
    [
        (None, [0, 1], None),
        (None, [1, 3], "1,3"),
        ("4, 5,6", [0, 1, 2], "4, 5,6"),
        ("4, 5,6", [0, 2], "4,6"),
        ("GPU-aa,GPU-bb", [1], "GPU-bb"),
    ],
)
def test_processes_that_are_started_see_the_gpus_that_work_alone(
    before: str | None, numbers: list[int], after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.LAUNCHED_ON, "")
    monkeypatch.setenv(devices.VISIBLE, before or "")
    if before is None:
        monkeypatch.delenv(devices.VISIBLE)
    pass_on(Choice("cuda", numbers))
    assert os.environ.get(devices.VISIBLE) == after
    assert choose_as_launched("auto", 1) == torch.device("cuda", 1)


def test_processes_that_are_started_take_the_kind_that_was_chosen(
    gpus: dict[str, list[Gpu]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpus["cuda"] = cuda(FULL)
    monkeypatch.setenv(devices.LAUNCHED_ON, "")
    pass_on(choose("auto"))
    capsys.readouterr()
    gpus["cuda"] = cuda(None)  # meanwhile it is free, and yet all of them agree
    assert choose_as_launched("auto", 1) == torch.device("cpu")
    assert capsys.readouterr().err == ""


def test_without_our_launcher_each_process_tries_for_itself(gpus: dict[str, list[Gpu]]) -> None:
    gpus["cuda"] = cuda(FULL, None, None)
    assert choose_as_launched("auto", 1) == torch.device("cuda", 2)
    with pytest.raises(UserError, match="3 processes"):
        choose_as_launched("cuda", 2)


# --- the probe's answers ---


def line(**values: str | None) -> str:
    return json.dumps(values) + "\n"


@pytest.mark.parametrize(
    ("out", "end", "expected"),
    [
        (line(device="cuda:0", model="H") + line(device="cuda:0", problem=None), "", cuda(None)),
        (line(device="cuda:0", model="H") + line(device="cuda:0", problem=FULL), "", cuda(FULL)),
        (line(device="cuda:0", model="H"), "no answer within 90 s", cuda("no answer within 90 s")),
        (
            line(device="cuda:0", model="H") + line(device="cuda:0", problem=None) + line(device="cuda:1", model="H"),
            "a test of it was ended by SIGSEGV",
            cuda(None, "a test of it was ended by SIGSEGV"),
        ),
        (line(device="cuda:0", model="H") + '{"device": "cu', "", cuda("no answer")),
        (
            "a library greets\n[1]\n3\n" + line(device="cuda:0", model="H") + line(device="cuda:0", problem=None),
            "",
            cuda(None),
        ),
        ("", "no answer within 90 s", [Gpu("cuda", "", "no answer within 90 s")]),
        (line(device="cuda", problem="driver too old"), "", [Gpu("cuda", "", "driver too old")]),
        (line(device="cuda", problem="Found no NVIDIA driver on your system."), "", []),
        (line(device="cuda", problem="No CUDA GPUs are available"), "", []),
        ("", "", []),
    ],
)
def test_answers(out: str, end: str, expected: list[Gpu]) -> None:
    assert read_answers("cuda", out.encode(), end) == expected


def program(tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program in the place of Python."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


HELLO = 'echo \'{"device": "cuda:0", "model": "H"}\''


@pytest.mark.skipif(os.name != "posix", reason="the program in Python's place is a shell's")
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (f"{HELLO}; exec sleep 1000", "no answer within 0.5 s"),
        (f"{HELLO}; kill -SEGV $$", "a test of it was ended by SIGSEGV"),
        (f"{HELLO}; echo first >&2; echo cannot start >&2; exit 3", "cannot start"),
        (f"{HELLO}; exit 3", "a test of it ended with exit code 3"),
    ],
)
def test_a_probe_that_hangs_or_dies_is_a_problem_of_its_gpu(
    body: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of the fixture: the real probe
    program(tmp_path, body, monkeypatch)
    monkeypatch.setattr(devices, "PROBE_S", 0.5)
    assert devices.probe("cuda") == cuda(problem)


@pytest.mark.slow
def test_the_real_probe_agrees_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert len(devices.probe("cuda")) == torch.cuda.device_count()


# --- what the probe does ---


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe finds two devices, which both are the CPU."""
    monkeypatch.setattr(probe, "make_deterministic", lambda: None)
    monkeypatch.setattr(probe, "present", lambda _: [("cpu:0", "A"), ("cpu", "B")])


def probed(capsys: pytest.CaptureFixture[str]) -> list[Gpu]:
    probe.main("cuda")
    return read_answers("cuda", capsys.readouterr().out.encode(), "")


@pytest.mark.usefixtures("two_devices")
def test_a_device_that_works_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert probed(capsys) == [Gpu("cpu:0", "A", None), Gpu("cpu", "B", None)]


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (torch.OutOfMemoryError(FULL), FULL),
        (torch.AcceleratorError(f"{NO_KERNEL}\nCUDA kernel errors might be", 209), NO_KERNEL),
        (RuntimeError(f"at::some::source.cpp\n{NO_KERNEL}"), NO_KERNEL),
        (AssertionError("Torch not compiled with CUDA enabled"), "Torch not compiled with CUDA enabled"),
        (OSError("libcudnn.so.9: cannot open shared object file"), "libcudnn.so.9: cannot open shared object file"),
        (torch.AcceleratorError(f"CUDA error: {BUSY}\nCUDA kernel errors might be", 46), f"CUDA error: {BUSY}"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has"), FULL_OF_OTHERS),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        (RuntimeError("Unexpected error from cudaGetDeviceCount(). Error 802: system"), NOT_YET),
        (
            RuntimeError("MPS backend out of memory (MPS allocated: 1 GiB)"),
            "MPS backend out of memory (MPS allocated: 1 GiB)",
        ),
        (RuntimeError(""), "RuntimeError"),
        (KeyError("x"), "x"),
    ],
)
def test_whatever_a_device_raises_is_its_problem(
    error: Exception, problem: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = probe.work

    def failing(device: torch.device) -> list[torch.Tensor]:
        if device.index is not None:
            raise error
        return work(device)

    monkeypatch.setattr(probe, "work", failing)
    assert probed(capsys) == [Gpu("cpu:0", "A", problem), Gpu("cpu", "B", None)]


@pytest.mark.parametrize("spoil", [lambda x: x * 1.1 + 0.1, lambda x: x * float("nan"), torch.zeros_like])
def test_a_device_that_computes_something_else_has_a_problem(
    spoil: Callable[[torch.Tensor], torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = probe.work
    monkeypatch.setattr(probe, "work", lambda device: [spoil(x) if device.index == 0 else x for x in work(device)])
    assert probe.tried(torch.device("cpu:0")) == "its results are not those of the CPU"
    assert probe.tried(torch.device("cpu")) is None


def test_what_torch_raises_at_the_start_is_the_kind_s_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def present(_kind: str) -> Iterator[tuple[str, str]]:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update")
        yield

    monkeypatch.setattr(probe, "make_deterministic", lambda: None)
    monkeypatch.setattr(probe, "present", present)
    probe.main("cuda")
    (gpu,) = read_answers("cuda", capsys.readouterr().out.encode(), "")
    assert gpu.device == "cuda"
    assert "driver on your system is too old" in (gpu.problem or "")


# --- whether there seems to be one ---


@pytest.mark.parametrize("value", ["", " ", "-1", "NoDevFiles"])
def test_gpus_that_the_user_hides_are_not_looked_for(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv(devices.VISIBLE, value)
    monkeypatch.setattr(devices, "_has_driver", lambda: pytest.fail("looked"))
    assert not devices.is_claimed("cuda")


def test_torch_is_asked_only_where_no_driver_can_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(devices, "_has_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("asked"))
    assert devices.is_claimed("cuda")

    def broken() -> bool:
        raise RuntimeError("a broken installation")

    monkeypatch.setattr(devices, "_has_driver", lambda: False)
    for answer, expected in ((lambda: False, False), (lambda: True, True), (broken, True)):
        monkeypatch.setattr(torch.cuda, "is_available", answer)
        assert devices.is_claimed("cuda") is expected
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    assert not devices.is_claimed("cuda")
