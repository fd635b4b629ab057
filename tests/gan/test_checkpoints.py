"""Where checkpoints are, which process may use them, and full disks."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.common.errors import UserError
from stages.gan import checkpoints, journal
from stages.gan.checkpoints import Checkpoints
from stages.gan.journal import Journal
from stages.gan.loop import Loop
from stages.gan.regular_files import write_regular
from tests.gan.broken_off import Files, finished, run, steps
from tests.stage_process import ROOT, Project

NOTHING = "nothing was kept: `dvc repro` starts the training again"


def test_those_of_a_temporary_copy_are_kept_in_the_project(
    broken_off: Callable[..., list[Path]], run_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc exp run --temp` works in a copy below .dvc/tmp, and DVC_ROOT is the project that it was started from."""
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert steps(broken_off(5)) == [2, 4]
    assert not (copy / ".checkpoints").exists()


def test_the_variable_left_from_another_project_s_shell_moves_none(
    broken_off: Callable[..., list[Path]], run_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "other"))
    assert steps(broken_off(5)) == [2, 4]
    assert not (tmp_path / "other").exists()


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
    monkeypatch.setattr(checkpoints, "LOCK_WAIT_S", 0.2)
    expected = f"^process {holder.pid} is training this very run; wait for it, or end it, then run `dvc repro` again$"
    with pytest.raises(UserError, match=expected), Checkpoints("k" * 64):
        pass
    with Checkpoints("l" * 64):
        pass
    holder.kill()
    holder.wait()
    with Checkpoints("k" * 64) as held:
        assert (held.folder / "holder").read_text(encoding="ascii") == str(os.getpid())


def test_who_waits_for_a_run_that_ends_gets_the_lock_though_the_folder_goes(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    timer = threading.Timer(0.5, lambda: holder.communicate("go on\n"))
    timer.start()
    with Checkpoints("k" * 64) as held:
        timer.join()
        assert holder.returncode == 0
        assert held.save(1, {"weight": torch.ones(2)}, {"steps_done": 1}, Journal())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoints, "LOCK_WAIT_S", 0.2)
            with pytest.raises(UserError, match=f"process {os.getpid()} is training"), Checkpoints("k" * 64):
                pass
        held.remove()
    assert not list((tmp_path / ".checkpoints").iterdir())


# --- disks that fail ---


def stopped(run_data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code of a run that is asked to stop, and the last line that it prints."""
    with pytest.raises(SystemExit) as end:
        run(run_data)
    return end.value.code, capsys.readouterr().err.splitlines()[-1]


def failing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Makes every write of a checkpoint's files fail with that errno."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoints, "write_regular", fail)
    monkeypatch.setattr(journal, "create_anew", fail)
    monkeypatch.setattr(journal, "write_all", fail)


ERRORS = ("ENOSPC", *(pytest.param(name, marks=pytest.mark.slow) for name in ("EDQUOT", "EACCES", "EROFS", "EIO")))


@pytest.mark.parametrize("name", ERRORS)
def test_a_disk_that_fails_meanwhile_costs_checkpoints_and_nothing_else(
    name: str,
    undisturbed: Files,
    run_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It fails after the first of four checkpoints, and what it relies on is needed to the end."""
    step = Loop.step

    def fail_later(loop: Loop) -> None:
        if loop.steps_done == 3:
            failing(monkeypatch, getattr(errno, name))
        step(loop)

    monkeypatch.setattr(Loop, "step", fail_later)
    assert finished(run_data) == undisturbed
    (line,) = capsys.readouterr().err.splitlines()
    reason = "the disk is full" if name in ("ENOSPC", "EDQUOT") else os.strerror(getattr(errno, name))
    lost = "training goes on, and if it is stopped, what comes after the last one is lost"
    assert line == f"no checkpoint at step 4 ({reason}); {lost}"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_costs_a_checkpoint_and_nothing_else(
    undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real ENOSPC, in the place of the file that is to become the checkpoint after 6 steps."""

    def write_elsewhere(path: Path, content: bytes) -> None:
        (Path("/dev/full").write_bytes if "step_000000006" in path.name else partial(write_regular, path))(content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_regular", write_elsewhere)
        assert steps(broken_off(7)) == [2, 4]
    assert finished(run_data) == undisturbed


@pytest.mark.parametrize(("since", "promise"), [(4, "`dvc repro` resumes from the last checkpoint"), (0, NOTHING)])
def test_a_run_that_is_stopped_on_a_full_disk_does_not_promise_too_much(
    since: int, promise: str, run_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Loop.step

    def fill_the_disk_and_stop(loop: Loop) -> None:
        if loop.steps_done == since:
            failing(monkeypatch, errno.ENOSPC)
        if loop.steps_done == 4:
            signal.raise_signal(signal.SIGTERM)
        step(loop)

    monkeypatch.setattr(Loop, "step", fill_the_disk_and_stop)
    assert stopped(run_data, capsys) == (143, f"train_gan: stopped at 0.24 kimg; {promise}")


# --- folders that cannot be used ---


def a_file(place: Path) -> None:
    place.write_bytes(b"not a folder")


def a_dangling_link(place: Path) -> None:
    place.symlink_to(place.with_name("nowhere"))


def a_link_in_a_circle(place: Path) -> None:
    place.symlink_to(place)


def a_fifo(place: Path) -> None:
    os.mkfifo(place)


def a_link_to_a_file(place: Path) -> None:
    place.with_name("precious").write_bytes(b"precious")
    place.symlink_to("precious")


OTHER_OBSTACLES = (a_dangling_link, a_link_in_a_circle, a_link_to_a_file)


@pytest.mark.parametrize(
    "obstacle", [a_file, a_fifo, *(pytest.param(each, marks=pytest.mark.slow) for each in OTHER_OBSTACLES)]
)
def test_where_no_folder_can_be_training_goes_on_without_checkpoints(
    obstacle: Callable[[Path], None], undisturbed: Files, run_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = run_data.parent / ".checkpoints"
    remove_folder(place)
    obstacle(place)
    before = place.lstat()
    assert finished(run_data) == undisturbed
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("no checkpoints in .checkpoints (")
    assert line.endswith("): training goes on without them, and if it is stopped, it is lost")
    assert place.lstat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("mkdir", "EROFS"),
        ("lock", "ENOLCK"),
        *(
            pytest.param(*other, marks=pytest.mark.slow)
            for other in (("mkdir", "EACCES"), ("mkdir", "ENOSPC"), ("lock", "ENOSYS"))
        ),
    ],
)
def test_a_file_system_that_refuses_folders_or_locks_changes_nothing(
    what: str,
    name: str,
    undisturbed: Files,
    run_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    mkdir = Path.mkdir

    def refuse_there(path: Path, *arguments: Any, **options: Any) -> None:
        (refuse if ".checkpoints" in path.parts else mkdir)(path, *arguments, **options)

    if what == "lock":
        monkeypatch.setattr("fcntl.flock", refuse)
    else:
        monkeypatch.setattr(Path, "mkdir", refuse_there)
    assert finished(run_data) == undisturbed
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("no checkpoints in .checkpoints (")


def test_a_stop_without_checkpoints_says_that_nothing_was_kept(
    run_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_data.parent / ".checkpoints").write_bytes(b"")
    step = Loop.step

    def stop(loop: Loop) -> None:
        """The team agrees on the stop at the step after."""
        signal.raise_signal(signal.SIGINT)
        step(loop)

    monkeypatch.setattr(Loop, "step", stop)
    assert stopped(run_data, capsys) == (130, f"train_gan: stopped at 0.08 kimg; {NOTHING}")


def test_a_link_to_another_disk_is_used(undisturbed: Files, run_data: Path, tmp_path: Path) -> None:
    remove_folder(tmp_path / ".checkpoints")
    (tmp_path / "disk").mkdir()
    (tmp_path / ".checkpoints").symlink_to("disk")
    assert finished(run_data) == undisturbed
    assert list((tmp_path / "disk").iterdir()) == []


def remove_folder(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


# --- what others put into the folder ---


def hold_and_ask(monkeypatch: pytest.MonkeyPatch, place: Callable[[Path], None]) -> str:
    """Who is said to hold a lock, with something else in place of its holder file."""
    monkeypatch.setattr(checkpoints, "LOCK_WAIT_S", 0.05)
    with Checkpoints("k" * 64) as held:
        path = held.folder / "holder"
        path.unlink()
        place(path)
        with pytest.raises(UserError) as error, Checkpoints("k" * 64):
            pass
    return str(error.value).split()[1]


def link_to(content: bytes) -> Callable[[Path], None]:
    def place(path: Path) -> None:
        path.with_name("target").write_bytes(content)
        path.symlink_to("target")

    return place


def text(content: bytes) -> Callable[[Path], None]:
    def place(path: Path) -> None:
        path.write_bytes(content)

    return place


def endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def fifo(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs among the files of this system")
    os.mkfifo(path)


HOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a number": (text(b"4711"), "4711"),
    "nothing": (lambda _path: None, "unknown"),
    "an empty file": (text(b""), "unknown"),
    "a word": (text(b"me"), "unknown"),
    "controls": (text(b"\x1b[2J1"), "unknown"),
    "a line end": (text(b"12\n34"), "unknown"),
    "other digits": (text("\u0661\u0662".encode()), "unknown"),
    "bytes": (text(b"\xff\xfe1"), "unknown"),
    "many digits": (text(b"1" * 5000), "unknown"),
    "a terabyte": (endless, "unknown"),
    "a link": (link_to(b"1234"), "unknown"),
    "a dangling link": (lambda path: path.symlink_to("nowhere"), "unknown"),
    "a FIFO": (fifo, "unknown"),
    "a folder": (Path.mkdir, "unknown"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "unknown"),
}


@pytest.mark.parametrize(("place", "who"), HOLDERS.values(), ids=HOLDERS)
def test_a_holder_file_of_someone_else_is_read_with_care(
    place: Callable[[Path], None], who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert hold_and_ask(monkeypatch, place) == who


@pytest.mark.parametrize(
    "name",
    [
        "finished.journal",
        "step_000000002.checkpoint.partial",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("holder", "holder.partial")),
    ],
)
def test_no_link_is_written_through(
    name: str, undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, tmp_path: Path
) -> None:
    (folder,) = {path.parent for path in broken_off(3)}
    for path in folder.iterdir():
        path.unlink()
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (folder / name).symlink_to(precious)
    assert finished(run_data) == undisturbed
    assert precious.read_bytes() == b"precious"


FOREIGN = ("step_abc.checkpoint", "step_-00000001.checkpoint", "step_4.checkpoint", "notes.txt", "finished.journal.old")


def test_files_of_others_stay_and_are_no_checkpoints(
    undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = {path.parent for path in broken_off(7)}
    for name in FOREIGN:
        (folder / name).write_bytes(b"someone's")
    (folder / "folder").mkdir()
    assert finished(run_data) == undisturbed
    said = capsys.readouterr()
    assert said.err == ""
    assert "at 0.24 kimg" in said.out
    assert {path.name for path in folder.iterdir()} == {*FOREIGN, "folder"}


LOCKS = [a_link_to_a_file, Path.mkdir, a_dangling_link]


@pytest.mark.parametrize("place", LOCKS)
def test_a_lock_that_is_no_file_is_left_alone(
    place: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lock = Checkpoints("k" * 64).folder.with_suffix(".lock")
    lock.parent.mkdir()
    place(lock)
    before = lock.lstat()
    with Checkpoints("k" * 64) as held:
        assert not held.save(1, {"weight": torch.ones(2)}, {"steps_done": 1}, Journal())
        held.remove()
    assert capsys.readouterr().err.count("training goes on without") == 1
    assert lock.lstat().st_mtime_ns == before.st_mtime_ns
    if lock.with_name("precious").exists():
        assert lock.with_name("precious").read_bytes() == b"precious"


# --- a file system without room ---


@pytest.mark.slow
def test_a_file_system_without_room_for_any_checkpoint_changes_nothing(normalized: Path, tmp_path: Path) -> None:
    """A real one of 32 kB, in a mount namespace of the stage's own."""
    project = Project.create(tmp_path / "project", normalized, total_kimg=0.36)
    small = project.root / ".checkpoints"
    small.mkdir()
    mount = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=32k none {small} && exec "$0" "$@"')
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel or user may not mount a file system")
    variables = {"GAN_PROCESSES": "1", "GAN_CHECKPOINT_KIMG": "0.12"}
    undisturbed = project.run_checked(**variables)
    done = project.run(*mount, sys.executable, "-m", "stages.train_gan", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "no checkpoint at step 3 (the disk is full); training goes on, and if it is stopped, it is lost"
    ]
    assert project.written() == undisturbed
