"""Checkpoints: whose they are, that they are whole or not there, and who may use them; by runs of train_gan itself."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from stages import train_gan
from stages.common.errors import UserError
from stages.gan import checkpoints as module
from stages.gan import environment
from stages.gan.checkpoints import DIGEST_BYTES, Checkpoints, run_key
from stages.gan.loop import Loop
from tests.gan_params import gan_params
from tests.stage_process import ROOT, Project
from tools.profiles import TRAINING

STEPS, INTERVAL = 9, 2
Files = dict[str, bytes]


def run(data: Path, **changes: Any) -> None:
    """9 steps of 40 digits; with INTERVAL, checkpoints after 2, 4, 6 and 8."""
    train_gan.run(*gan_params(TRAINING, **{"total_kimg": 0.36, "snapshot_kimg": 0.1} | changes), data)


@pytest.fixture
def data(tmp_path: Path, normalized: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder with the digits in a working folder that takes the checkpoints."""
    folder = tmp_path / "data"
    shutil.copytree(normalized / "normalize", folder / "normalize")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("GAN_CHECKPOINT_KIMG", str(INTERVAL * 0.04))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield folder
    for number, handler in handlers.items():
        signal.signal(number, handler)


class BreakingOffError(Exception):
    """Stands for a process that ends between two steps."""


@pytest.fixture
def broken_off(data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """Runs the stage up to some step, as if it then ended; gives its checkpoints, the oldest first."""
    step = Loop.step

    def break_off(after: int, **changes: Any) -> list[Path]:
        def limited(loop: Loop) -> None:
            if loop.steps_done == after:
                raise BreakingOffError
            step(loop)

        with monkeypatch.context() as patch:
            patch.setattr(Loop, "step", limited)
            with pytest.raises(BreakingOffError):
                run(data, **changes)
        return stored(data.parent)

    return break_off


def stored(root: Path) -> list[Path]:
    return sorted((root / ".checkpoints").glob("*/step_*.checkpoint"))


def steps(paths: list[Path]) -> list[int]:
    return [int(path.stem.removeprefix("step_")) for path in paths]


def finished(data: Path, **changes: Any) -> Files:
    run(data, **changes)
    folder = data / "train_gan"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def reference(data: Path) -> Files:
    """The files of an undisturbed run."""
    files = finished(data)
    shutil.rmtree(data / "train_gan")
    return files


# --- whose they are ---


def test_a_run_goes_on_from_its_last_checkpoint_to_the_same_bytes(
    reference: Files, broken_off: Callable[..., list[Path]], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steps(broken_off(7)) == [4, 6]
    shutil.rmtree(data / "train_gan")  # as DVC does before it runs a stage
    assert finished(data) == reference
    assert "resuming from the checkpoint at 0.24 kimg" in capsys.readouterr().out
    assert not list((data.parent / ".checkpoints").iterdir())


def change_a_param(_data: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"seed": 2}


def prolong(_data: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"total_kimg": 0.4}


def change_an_input(data: Path, _patch: pytest.MonkeyPatch) -> dict[str, Any]:
    path = data / "normalize" / "train.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return {}


def change_the_processor(_data: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    described = environment.describe(torch.device("cpu"))
    patch.setattr(environment, "describe", lambda _device: described | {"processor": {"model": "another"}})
    return {}


@pytest.mark.parametrize("change", [change_a_param, prolong, change_an_input, change_the_processor])
def test_whatever_decides_the_result_starts_afresh_when_it_changes(
    change: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]],
    broken_off: Callable[..., list[Path]],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder,) = {path.parent for path in broken_off(5)}
    finished(data, **change(data, monkeypatch))
    assert "going on" not in capsys.readouterr().out
    assert steps(stored(data.parent)) == [2, 4], "those of the other run stay, for it may come back"
    assert folder.exists()


def test_settings_that_change_no_byte_change_no_key(
    broken_off: Callable[..., list[Path]],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken_off(5)
    for name, value in (("GAN_PROCESSES", "3"), ("GAN_CHECKPOINT_KIMG", "1"), ("GAN_PROGRESS", "0")):
        monkeypatch.setenv(name, value)
    finished(data)
    assert "resuming from the checkpoint at 0.16 kimg" in capsys.readouterr().out


KEYS = """
import sys
from pathlib import Path
from stages import train_gan
from stages.gan.checkpoints import run_key
from stages.gan import architectures

architectures.load("dcgan")
root = Path.cwd()
(root / "stages/gan/networks/other.py").write_text("# Another architecture.")
first = run_key({}, [], {})
for path in sorted((root / "stages").rglob("*.py")):
    name = path.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    text = path.read_text()
    path.write_text(text + "# Changed.")
    print("changes" if run_key({}, [], {}) != first else "keeps", "used" if name in sys.modules else "unused", name)
    path.write_text(text)
assert run_key({}, [], {}) == first
"""


def test_every_line_of_the_code_that_is_used_is_part_of_the_key(normalized: Path, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project", normalized)
    done = project.run(sys.executable, "-c", KEYS)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {(effect, use) for effect, use, _ in lines} == {("changes", "used"), ("keeps", "unused")}
    used = {name for _, use, name in lines if use == "used"}
    assert used >= {"stages", "stages.train_gan", "stages.gan.trainer", "stages.gan.networks.dcgan"}
    assert "stages.gan.networks.other" not in used


def test_the_chosen_architecture_is_loaded_before_the_key_is_made(
    broken_off: Callable[..., list[Path]], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("stages.gan.networks.")]:
        monkeypatch.delitem(sys.modules, name)
    (first,) = {path.parent for path in broken_off(3)}
    assert "stages.gan.networks.dcgan" in sys.modules
    shutil.rmtree(first)
    assert {path.parent for path in broken_off(3)} == {first}


def test_a_link_to_the_project_leads_to_the_same_key(normalized: Path, tmp_path: Path) -> None:
    """Where the project is reached by a link, its code counts all the same."""
    project = Project.create(tmp_path / "project", normalized)
    (tmp_path / "link").symlink_to(project.root)
    code = "from stages.gan.checkpoints import run_key; print(run_key({}, [], {}))"
    keys = set()
    for path in (project.root, tmp_path / "link"):
        done = project.run("env", "-C", "/", sys.executable, "-c", code, PYTHONPATH=str(path))
        assert done.returncode == 0, done.stderr
        keys.add(done.stdout)
    assert len(keys) == 1
    assert keys != {run_key({}, [], {}) + "\n"}, "the tests' own modules make another"


# --- whole or not there ---


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def flip_a_bit_of_the_checksum(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 128
    path.write_bytes(content)


def write_something_else(path: Path) -> None:
    """With a checksum that fits."""
    for content in (b"{}" * 100, bytes(1000), b'\x1c\0\0\0\0\0\0\0{"__metadata__":{"meta":"1"}}'):
        path.write_bytes(content + hashlib.sha256(content).digest())
        with pytest.raises(ValueError, match=r"safetensors|another run"):
            Checkpoints("k")._verified(path)


def bring_a_foreign_one(path: Path) -> None:
    """A whole checkpoint of another run."""
    with Checkpoints("f" * 64) as other:
        other.save(6, {"G.weight": torch.zeros(3)}, {"steps_done": 6})
        shutil.copy(other.folder / path.name, path)


DAMAGES = [
    truncate,
    empty,
    flip_a_bit,
    flip_a_bit_of_the_checksum,
    write_something_else,
    bring_a_foreign_one,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(
    damage: Callable[[Path], None],
    reference: Files,
    broken_off: Callable[..., list[Path]],
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = broken_off(7)[-1]
    damage(newest)
    assert finished(data) == reference
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"passing over checkpoint {newest.relative_to(data.parent)}: ")
    assert "resuming from the checkpoint at 0.16 kimg" in said.out


def test_without_a_whole_checkpoint_a_run_begins_again(
    reference: Files, broken_off: Callable[..., list[Path]], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in broken_off(7):
        flip_a_bit(path)
    assert finished(data) == reference
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 2
    assert "going on" not in said.out


def test_a_single_bit_is_noticed_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints:
        checkpoints.save(1, {"weight": torch.ones(2)}, {"steps_done": 1})
        (path,) = stored(tmp_path)
        whole = path.read_bytes()
        assert checkpoints.load() == whole[:-DIGEST_BYTES]
        for bit in range(0, 8 * len(whole), 3):
            content = bytearray(whole)
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            with pytest.raises(ValueError, match="checksum"):
                checkpoints._verified(path)


def test_what_ends_a_write_leaves_the_checkpoints_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state: tuple[dict[str, torch.Tensor], dict[str, Any]] = ({"weight": torch.ones(2)}, {"steps_done": 1})
    with Checkpoints("k" * 64) as checkpoints:
        checkpoints.save(1, *state)
        before = {path.name: path.read_bytes() for path in checkpoints.folder.iterdir()}
        for name in ("fsync", "replace"):
            with monkeypatch.context() as patch:
                patch.setattr(os, name, stop_writing)
                patch.setattr(Path, name, stop_writing, raising=False)
                with pytest.raises(BreakingOffError):
                    checkpoints.save(2, *state)
            assert {path.name: path.read_bytes() for path in checkpoints.folder.iterdir()} == before


def stop_writing(*_: object) -> None:
    raise BreakingOffError


def test_half_a_file_that_sigkill_left_is_no_checkpoint(
    reference: Files, broken_off: Callable[..., list[Path]], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = broken_off(7)[-1]
    newest.with_name("step_000000008.checkpoint.partial").write_bytes(newest.read_bytes()[:5000])
    assert finished(data) == reference
    said = capsys.readouterr()
    assert said.err == ""
    assert "at 0.24 kimg" in said.out
    assert not list((data.parent / ".checkpoints").iterdir())


def test_the_newest_and_its_predecessor_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints:
        kept = []
        for step in (1, 2, 3, 10, 11):
            checkpoints.save(step, {"weight": torch.ones(2)}, {"steps_done": step})
            kept.append(steps(stored(tmp_path)))
    assert kept == [[1], [1, 2], [2, 3], [3, 10], [10, 11]]


def test_a_damaged_one_takes_no_place_from_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another interval the run may write checkpoints of steps before that of the damaged one."""
    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints:
        for step in (4, 8):
            checkpoints.save(step, {"weight": torch.ones(2)}, {"steps_done": step})
        flip_a_bit(stored(tmp_path)[-1])
        checkpoints.save(5, {"weight": torch.ones(2)}, {"steps_done": 5})
    assert steps(stored(tmp_path)) == [4, 5]


# --- where they are, and who may use them ---


def test_dvc_root_decides_where_they_are(
    broken_off: Callable[..., list[Path]], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    reference: Files, broken_off: Callable[..., list[Path]], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real ENOSPC, in the place of the file that is to become the checkpoint after 6 steps."""
    (folder,) = {path.parent for path in broken_off(5)}
    (folder / "step_000000006.checkpoint.partial").symlink_to("/dev/full")
    assert steps(broken_off(7)) == [2, 4]
    assert capsys.readouterr().err == "no checkpoint at step 6: the disk is full; training goes on\n"
    (folder / "step_000000006.checkpoint.partial").symlink_to("/dev/full")
    assert finished(data) == reference


def test_a_run_that_is_stopped_on_a_full_disk_does_not_promise_too_much(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Loop.step

    def fill_the_disk_and_stop(loop: Loop) -> None:
        if loop.steps_done == 4:
            monkeypatch.setattr(module, "write_bytes", is_full)
            signal.raise_signal(signal.SIGTERM)
        step(loop)

    monkeypatch.setattr(Loop, "step", fill_the_disk_and_stop)
    with pytest.raises(SystemExit) as stop:
        run(data)
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
    reference = project.must(**variables)
    done = project.run(*mount, sys.executable, "-m", "stages.train_gan", DVC_ROOT=str(small), **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"no checkpoint at step {step}: the disk is full; training goes on" for step in (3, 6, 9)
    ]
    assert project.written() == reference
