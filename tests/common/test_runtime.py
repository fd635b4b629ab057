"""How stages end, and the settings from the environment."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.check import SCHEMAS
from stages.common import runtime
from stages.common.errors import UserError
from stages.common.params import StageParams

ROOT = Path(__file__).parents[2]


class Params(StageParams):
    seed: int


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a params.yaml as working folder; run_stage there leaves torch's settings as they are."""
    (tmp_path / "params.yaml").write_text("test:\n  seed: 5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime, "make_deterministic", lambda: None)
    return tmp_path


def test_stage_gets_its_params_and_the_data_folder(project: Path) -> None:
    seen: list[object] = []
    runtime.run_stage("test", Params, lambda params, data: seen.extend([params.seed, data]))
    assert seen == [5, Path("data")]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("test.seed: expected an even number, found 5"), "test: test.seed: expected an even number, found 5"),
        (OSError(errno.ENOSPC, "No space left", "data/x"), "test: the disk is full at data/x; .* `dvc checkout`"),
        (OSError(errno.ENOSPC, "No space left"), "test: the disk is full; free some space .* `dvc checkout`"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "test: the disk is full; "),
        (PermissionError(errno.EACCES, "Permission denied", "data/x"), "test: Permission denied at data/x; "),
    ],
)
def test_what_a_user_can_cause_ends_in_a_line(project: Path, error: Exception, message: str) -> None:
    def run(params: Params, data: Path) -> None:
        raise error

    # A text as code: Python prints it on stderr and exits with 1.
    with pytest.raises(SystemExit, match=f"^{message}"):
        runtime.run_stage("test", Params, run)


def test_interrupt_ends_with_its_own_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(params: Params, data: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        runtime.run_stage("test", Params, run)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "test: interrupted; `dvc repro` starts the stage again\n"


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("mat1 and mat2 shapes"), AssertionError("x")])
def test_our_own_mistakes_keep_their_traceback(project: Path, error: Exception) -> None:
    def run(params: Params, data: Path) -> None:
        raise error

    with pytest.raises(type(error)):
        runtime.run_stage("test", Params, run)


class Sized(Params):
    num_images: int
    width: int


def test_where_memory_is_not_enough_the_keys_that_need_it_are_named(project: Path) -> None:
    def run(params: StageParams, data: Path) -> None:
        torch.empty(10**15)

    (project / "params.yaml").write_text("test:\n  seed: 5\n  num_images: 9\n  width: 8\n")
    with pytest.raises(SystemExit) as caught:
        runtime.run_stage("test", Sized, run)
    line = str(caught.value)
    assert line.startswith("test: out of memory (")
    assert line.endswith("; set less test.num_images or test.width, or end other programs")
    assert "\n" not in line
    (project / "params.yaml").write_text("test:\n  seed: 5\n")
    with pytest.raises(SystemExit, match=r"^test: out of memory \(.*; end other programs, or add memory$"):
        runtime.run_stage("test", Params, run)


def test_every_key_that_needs_memory_belongs_to_a_stage() -> None:
    for key in runtime.MEMORY_KEYS:
        assert any(key in schema.model_fields for schema in SCHEMAS.values()), key
    without = [name for name, schema in SCHEMAS.items() if not set(runtime.MEMORY_KEYS) & set(schema.model_fields)]
    assert without == ["download", "report"]  # the page holds a few images of any run


def test_a_note_of_the_error_is_part_of_the_line() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")
    error.add_note("a checkpoint is kept")
    with (
        pytest.raises(
            SystemExit, match=r"^test: out of memory \(CUDA out of memory\.\); set less x, or .*; a checkpoint is kept$"
        ),
        runtime.report_errors("test", less_memory="set less x"),
    ):
        raise error


def test_a_failing_gpu_is_one_line() -> None:
    with (
        pytest.raises(SystemExit, match=r"^test: the GPU fails \(CUDA error: .*\); set train_gan.device to cpu, or "),
        runtime.report_errors("test"),
    ):
        raise RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronous")


@pytest.mark.parametrize(("error", "line"), [(UserError("x"), "test: x"), (MemoryError(), "test: out of memory")])
def test_beside_another_process_an_error_is_said_if_the_other_does_not_end_this_one(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    try:
        with pytest.raises(SystemExit, match=f"^{line}"), runtime.report_errors("test", quiet=True):
            raise error
        assert waited == [runtime.FIRST_SPEAKS_S]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_bad_params_stop_the_stage_before_it_runs(project: Path) -> None:
    (project / "params.yaml").write_text("test:\n  seed: x\n")
    with pytest.raises(SystemExit, match=r"test: params.yaml: test.seed: expected a valid integer, found 'x'"):
        runtime.run_stage("test", Params, lambda params, data: pytest.fail("ran"))


def test_real_process_shows_no_traceback(project: Path) -> None:
    (project / "params.yaml").write_text(
        "normalize: {limit: 10, classes: all, size: 28, stack: 1, num_stacks: 1, seed: 1}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "stages.normalize"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    dataset = Path("data/download/dataset.json")
    assert done.stderr.startswith(f"normalize: {dataset} is missing; `dvc checkout {dataset}`")
    assert len(done.stderr.splitlines()) == 1


def test_one_thread_and_deterministic_kernels() -> None:
    code = """
from stages.common.runtime import make_deterministic
import os, sys, torch
make_deterministic()
print(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), os.environ["OMP_NUM_THREADS"])
print(torch.is_deterministic_algorithms_warn_only_enabled())
"""
    environment = os.environ | {"OMP_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    # No warning in place of an error.
    assert done.stdout.split() == [b"1", b"True", b"1", b"False"]


@pytest.mark.parametrize(
    ("value", "terminal", "shown"),
    [("0", True, False), ("1", False, True), ("", True, True), ("", False, False), (None, True, True)],
)
def test_progress(monkeypatch: pytest.MonkeyPatch, value: str | None, terminal: bool, shown: bool) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.delenv("GAN_PROGRESS", raising=False)
    if value is not None:
        monkeypatch.setenv("GAN_PROGRESS", value)
    assert runtime.show_progress() is shown


@pytest.mark.parametrize(
    ("name", "read", "value", "found"),
    [
        ("GAN_DATA_SOURCE", runtime.data_source, "/some/folder", "/some/folder"),
        ("GAN_DATA_SOURCE", runtime.data_source, "", None),
        ("GAN_PROCESSES", runtime.processes, "2", 2),
        ("GAN_PROCESSES", runtime.processes, "", None),
        ("GAN_CHECKPOINT_KIMG", runtime.checkpoint_kimg, "0.5", 0.5),
        ("GAN_CHECKPOINT_KIMG", runtime.checkpoint_kimg, "", 10),
    ],
)
def test_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[], object], value: str, found: object
) -> None:
    monkeypatch.setenv(name, value)
    assert read() == found


@pytest.mark.parametrize(
    ("name", "read", "value", "expected"),
    [
        ("GAN_PROGRESS", runtime.show_progress, "yes", "0 or 1"),
        ("GAN_PROCESSES", runtime.processes, "two", "a whole number, at least 1"),
        ("GAN_PROCESSES", runtime.processes, "1.5", "a whole number, at least 1"),
        ("GAN_PROCESSES", runtime.processes, "0", "a whole number, at least 1"),
        ("GAN_CHECKPOINT_KIMG", runtime.checkpoint_kimg, "0", "a number, at least 0.001"),
        ("GAN_CHECKPOINT_KIMG", runtime.checkpoint_kimg, "inf", "a number, at least 0.001"),
    ],
)
def test_bad_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[], object], value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"^{name}: expected {expected}, found '{value}'$"):
        read()
