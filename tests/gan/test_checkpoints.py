"""Where checkpoints are, which process may use them, and full disks."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from stages.common.errors import UserError
from stages.gan import checkpoints as module
from stages.gan.checkpoints import Checkpoints
from stages.gan.loop import Loop
from tests.gan.broken_off import Files, finished, run, steps, stored
from tests.stage_process import ROOT, Project


def test_dvc_root_decides_where_they_are(
    broken_off: Callable[..., list[Path]], run_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc exp run --temp` works in a copy, and DVC_ROOT is the repository that it was started from."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "repository"))
    assert broken_off(5) == []
    assert not (tmp_path / ".checkpoints").exists()
    assert steps(stored(tmp_path / "repository")) == [2, 4]


HOLDER = """
import sys
from stages.gan.checkpoints import Checkpoints
with Checkpoints("k" * 64) as checkpoints:
    print("holds", flush=True)
    sys.stdin.readline()
    checkpoints.remove()
"""


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a run, until it reads a line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_trains_until_that_one_is_killed(
    holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.2)
    expected = f"^process {holder.pid} is training this very run; wait for it, or end it, then run `dvc repro` again$"
    with pytest.raises(UserError, match=expected), Checkpoints("k" * 64):
        pass
    with Checkpoints("l" * 64):
        pass
    holder.kill()
    holder.wait()
    with Checkpoints("k" * 64) as checkpoints:
        assert (checkpoints.folder / "holder").read_text(encoding="ascii") == str(os.getpid())


def test_who_waits_for_a_run_that_ends_gets_the_lock_though_the_folder_goes(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    timer = threading.Timer(0.5, lambda: holder.communicate("go on\n"))
    timer.start()
    with Checkpoints("k" * 64) as checkpoints:
        timer.join()
        assert holder.returncode == 0
        assert checkpoints.save(1, {"weight": torch.ones(2)}, {"steps_done": 1})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LOCK_WAIT_S", 0.2)
            with pytest.raises(UserError, match=f"process {os.getpid()} is training"), Checkpoints("k" * 64):
                pass
        checkpoints.remove()
    assert not list((tmp_path / ".checkpoints").iterdir())


# --- full disks ---


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_costs_a_checkpoint_and_nothing_else(
    undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real ENOSPC, in the place of the file that is to become the checkpoint after 6 steps."""
    (folder,) = {path.parent for path in broken_off(5)}
    (folder / "step_000000006.checkpoint.partial").symlink_to("/dev/full")
    assert steps(broken_off(7)) == [2, 4]
    assert capsys.readouterr().err == "no checkpoint at step 6: the disk is full; training goes on\n"
    (folder / "step_000000006.checkpoint.partial").symlink_to("/dev/full")
    assert finished(run_data) == undisturbed


def test_a_run_that_is_stopped_on_a_full_disk_does_not_promise_too_much(
    run_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Loop.step

    def fill_the_disk_and_stop(loop: Loop) -> None:
        if loop.steps_done == 4:
            monkeypatch.setattr(module, "write_bytes", is_full)
            signal.raise_signal(signal.SIGTERM)
        step(loop)

    monkeypatch.setattr(Loop, "step", fill_the_disk_and_stop)
    with pytest.raises(SystemExit) as stop:
        run(run_data)
    assert stop.value.code == 143
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "train_gan: stopped at 0.24 kimg; `dvc repro` resumes from the last checkpoint"


def is_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_system_without_room_for_any_checkpoint_changes_nothing(normalized: Path, tmp_path: Path) -> None:
    """A real one of 32 kB, in a mount namespace of the stage's own."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=32k none {small} && exec "$0" "$@"')
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel or user may not mount a file system")
    project = Project.create(tmp_path / "project", normalized, total_kimg=0.36)
    variables = {"GAN_PROCESSES": "1", "GAN_CHECKPOINT_KIMG": "0.12"}
    undisturbed = project.run_checked(**variables)
    done = project.run(*mount, sys.executable, "-m", "stages.train_gan", DVC_ROOT=str(small), **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"no checkpoint at step {step}: the disk is full; training goes on" for step in (3, 6, 9)
    ]
    assert project.written() == undisturbed
