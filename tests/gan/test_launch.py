"""Processes that start, meet, watch each other and end, as real ones of train_gan wherever that is what is promised."""

import multiprocessing
import multiprocessing.process
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
import torch.distributed as dist

from stages import train_gan
from stages.common.errors import UserError
from stages.gan import launch
from stages.gan.launch import AGAIN_S, SHORT_KIMG, StopRequest, processes_to_start
from stages.gan.team import LAUNCHER_VARIABLES, join
from tests.stage_process import STAGE, Project, wait_until

# --- how many ---


@pytest.mark.parametrize(
    ("requested", "parts", "device", "gpus", "cores", "expected"),
    [
        (None, 4, "cpu", 0, 2, 2),
        (None, 4, "cpu", 0, 64, 4),
        (None, 4, "cpu", 8, 1, 1),
        (None, 4, "cuda", 1, 64, 1),
        (None, 4, "cuda", 8, 1, 4),
        (None, 4, "mps", 0, 8, 1),
        (3, 4, "cpu", 0, 1, 3),
        (4, 4, "cuda", 4, 1, 4),
        (1, 4, "mps", 0, 1, 1),
    ],
)
def test_number_of_processes(
    requested: int | None,
    parts: int,
    device: str,
    gpus: int,
    cores: int,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch, "available_cores", lambda: cores)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    assert processes_to_start(requested, parts, device, gpus, SHORT_KIMG) == expected


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_short_training_is_not_shared_unless_asked_for(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "available_cores", lambda: 8)
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    assert processes_to_start(None, 4, device, 8, SHORT_KIMG / 2) == 1
    assert processes_to_start(4, 4, device, 8, SHORT_KIMG / 2) == 4


def test_without_nccl_one_gpu_trains_and_more_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)
    assert processes_to_start(None, 4, "cuda", 8, SHORT_KIMG) == 1
    assert processes_to_start(1, 4, "cuda", 8, SHORT_KIMG) == 1
    assert processes_to_start(4, 4, "cpu", 0, SHORT_KIMG) == 4
    with pytest.raises(UserError, match=r"^GAN_PROCESSES: 2 GPUs need NCCL, which this torch lacks; expected 1$"):
        processes_to_start(2, 4, "cuda", 8, SHORT_KIMG)


def test_a_launcher_of_others_is_told_that_nccl_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHER_VARIABLES:
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)
    with pytest.raises(
        UserError, match=r"^2 processes on GPUs need NCCL, which this torch lacks: start one, or set cpu$"
    ):
        join(4, torch.device("cuda", 0))


def test_more_processes_than_parts_are_refused() -> None:
    with pytest.raises(UserError, match=r"^GAN_PROCESSES: expected at most train_gan.shards = 4, found 5$"):
        processes_to_start(5, 4, "cpu", 0, SHORT_KIMG)


# --- stop requests ---


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in launch.STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_signals_in_quick_succession_are_one_request() -> None:
    """As `timeout` sends them, which asks its child and then its group."""
    request = StopRequest(one_of_several=False)
    assert request.signal == 0
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(number)
    assert request.signal == signal.SIGTERM


@pytest.mark.usefixtures("handlers")
def test_a_later_signal_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "AGAIN_S", 0.01)
    StopRequest(one_of_several=False)
    signal.raise_signal(signal.SIGINT)
    time.sleep(0.05)
    ended: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", ended.append)
    os.kill(os.getpid(), signal.SIGINT)
    assert ended == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL


@pytest.mark.usefixtures("handlers")
def test_a_later_signal_does_not_end_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "AGAIN_S", 0.01)
    request = StopRequest(one_of_several=True)
    for _ in range(3):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert request.signal == signal.SIGTERM


# --- runs for real ---

LONG = {"total_kimg": 4000.0}
"""Minutes or hours: for runs that somebody ends."""


@pytest.fixture
def project(normalized: Path, tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project", normalized, total_kimg=0.4, snapshot_kimg=0.2)


@pytest.fixture
def long(normalized: Path, tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "long", normalized, **LONG)
    made.variables["GAN_CHECKPOINT_KIMG"] = "0.4"
    return made


@pytest.fixture
def main(project: Project, monkeypatch: pytest.MonkeyPatch, handlers: None) -> Iterator[Callable[..., object]]:
    """Runs the stage in this process, as in a new one with those variables; returns what it exits with, if anything."""

    def run(**variables: str) -> object:
        monkeypatch.chdir(project.root)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        try:
            train_gan.main()
        except SystemExit as ended:
            return ended.code
        return None

    yield run
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]


TOY = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_DFL)
(pathlib.Path(sys.argv[0]).parent / __import__("os").environ["RANK"]).touch()
time.sleep(600)
"""
"""A worker that knows nothing of training: it says that it is there, and hangs."""


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[multiprocessing.process.BaseProcess]:
    """The process that waits for two of them; what it prints goes to the file `err`."""
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")

    def supervise() -> None:
        os.chdir(tmp_path)
        with Path("err").open("w", encoding="utf-8") as err:
            os.dup2(err.fileno(), 2)
            sys.stderr = err
            launch.launch("toy", 2)

    process = multiprocessing.get_context("fork").Process(target=supervise)
    process.start()
    wait_until(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    yield process
    process.kill()
    process.join()


needs_fork = pytest.mark.skipif(sys.platform != "linux", reason="a process that has loaded torch forks safely on Linux")


def workers(process: multiprocessing.process.BaseProcess) -> list[psutil.Process]:
    return sorted(psutil.Process(process.pid).children(), key=lambda child: child.pid)


@needs_fork
@pytest.mark.parametrize("victim", [0, 1])
def test_sigkill_of_any_worker_ends_the_others(
    victim: int, toys: multiprocessing.process.BaseProcess, tmp_path: Path
) -> None:
    started = workers(toys)
    assert len(started) == 2
    started[victim].kill()
    toys.join(60)
    assert toys.exitcode == 1
    line = "a worker was ended by SIGKILL, as Linux does when memory runs out; `dvc repro` resumes from the last"
    assert (tmp_path / "err").read_text(encoding="utf-8") == f"toy: {line} checkpoint\n"
    assert not any(worker.is_running() for worker in started)


@needs_fork
def test_insisting_ends_hanging_workers_at_once(toys: multiprocessing.process.BaseProcess, tmp_path: Path) -> None:
    """Halted ones answer no request to stop."""
    assert toys.pid
    started = workers(toys)
    for worker in started:
        worker.suspend()
    os.kill(toys.pid, signal.SIGINT)
    time.sleep(AGAIN_S + 0.3)
    assert toys.is_alive()
    os.kill(toys.pid, signal.SIGINT)
    toys.join(60)
    assert toys.exitcode == 128 + signal.SIGINT
    assert (tmp_path / "err").read_text(encoding="utf-8") == ""
    wait_until(lambda: not any(worker.is_running() for worker in started), patience_s=10)


def test_more_processes_than_parts_end_in_one_line(main: Callable[..., object], project: Project) -> None:
    line = main(GAN_PROCESSES="5")
    assert line == "train_gan: GAN_PROCESSES: expected at most train_gan.shards = 4, found 5"
    assert project.written() == {}


@pytest.mark.slow
def test_insisting_ends_stage_and_workers_at_once(long: Project) -> None:
    """A worker that hangs would never agree to stop: here it is one that has been halted. Above: with toys."""
    with long.started(GAN_PROCESSES="2") as stage:
        wait_until(long.checkpoints)
        long.processes()[-1].suspend()
        stage.send_signal(signal.SIGINT)
        time.sleep(AGAIN_S + 0.3)
        assert stage.poll() is None
        stage.send_signal(signal.SIGINT)
        out, err = stage.communicate(timeout=20)
    assert stage.returncode == 128 + signal.SIGINT
    assert "Traceback" not in out + err
    wait_until(lambda: not long.processes(), patience_s=10)


@pytest.mark.slow
def test_asked_before_the_workers_are_there_it_stops_all_the_same(long: Project) -> None:
    with long.started(GAN_PROCESSES="2") as stage:
        wait_until(lambda: len(long.processes()) == 3)
        stage.send_signal(signal.SIGINT)
        out, err = stage.communicate(timeout=60)
    assert stage.returncode == 128 + signal.SIGINT
    assert "Traceback" not in out + err
    assert long.processes() == []


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_sigkill_of_one_ends_all(victim: int, long: Project) -> None:
    """Of the stage, of the worker that writes, of another (above: with toys in the place of these two)."""
    with long.started(GAN_PROCESSES="2") as stage:
        wait_until(long.checkpoints)
        long.processes()[victim].kill()
        out, err = stage.communicate(timeout=60)
        wait_until(lambda: not long.processes(), patience_s=20)
    assert stage.returncode == (-signal.SIGKILL if victim == 0 else 1)
    assert "Traceback" not in out + err
    if victim:
        line = "a worker was ended by SIGKILL, as Linux does when memory runs out; `dvc repro` resumes from the last"
        assert f"stages.train_gan: {line} checkpoint" in err


PARENT = """
import os, subprocess, sys
variables = os.environ | {"DVC_ROOT": sys.argv[1]} if sys.argv[1] else os.environ
process = subprocess.Popen(sys.argv[2:], env=variables)
print(process.pid, flush=True)
process.wait()
"""
"""Runs a command as DVC does."""
SHELL = ("sh", "-c", '"$0" -m stages.train_gan; exit $?', sys.executable)
"""A shell that stays between DVC and the stage."""


@pytest.mark.parametrize(
    ("command", "count"),
    [
        *(pytest.param(STAGE, count, marks=pytest.mark.slow) for count in (1, 2)),
        (SHELL, 1),
        pytest.param(SHELL, 2, marks=pytest.mark.slow),
    ],
)
def test_a_stage_does_not_outlive_its_dvc(command: tuple[str, ...], count: int, long: Project) -> None:
    """With one process or several, behind a shell or not: one class watches for all of them."""
    with long.started(sys.executable, "-c", PARENT, str(long.root), *command, GAN_PROCESSES=str(count)) as dvc:
        wait_until(long.checkpoints)
        assert len(long.processes()) == (1 if count == 1 else 3)
        dvc.kill()
        dvc.wait()
        wait_until(lambda: not long.processes(), patience_s=20)
    before = snapshot(long.root)
    time.sleep(1)
    assert snapshot(long.root) == before


def snapshot(root: Path) -> dict[str, int]:
    """The files of a folder and when they were written."""
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_a_stage_whose_dvc_ends_while_it_starts_writes_nothing(long: Project) -> None:
    """A shell between them must not hide it: who started that shell is noted first of all."""
    with long.started(sys.executable, "-c", PARENT, str(long.root), *SHELL, GAN_PROCESSES="1") as dvc:
        wait_until(long.processes)
        time.sleep(0.5)
        dvc.kill()
        dvc.wait()
        wait_until(lambda: not long.processes(), patience_s=60)
    assert long.written() == {}
    assert long.checkpoints() == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_stage_without_dvc_outlives_who_started_it(count: int, long: Project) -> None:
    """As under nohup."""
    with long.started(sys.executable, "-c", PARENT, "", *STAGE, GAN_PROCESSES=str(count)) as shell:
        wait_until(long.checkpoints)
        shell.kill()
        shell.wait()
        newest = long.checkpoints()[-1]
        wait_until(lambda: long.checkpoints()[-1] > newest)
        time.sleep(1)
        stage = long.processes()[0]
        assert stage.ppid() != shell.pid
        stage.terminate()
        wait_until(lambda: not long.processes(), patience_s=20)


NO_NAME = 'hostname nowhere.invalid && ip link set lo up && exec "$0" "$@"'
"""A host name that no server can know; and none can be asked, for there is no network but loopback."""
ASK = "import socket\ntry: socket.gethostbyname(socket.gethostname())\nexcept OSError: print('unknown')"


@pytest.mark.slow
@pytest.mark.parametrize("interface", ["ib0", "^lo,docker"])
def test_the_network_of_a_users_cluster_does_not_matter_to_a_team_on_one_machine(
    interface: str, project: Project
) -> None:
    """Neither the interface of the cluster nor, where this system lets a test have another, a name that is unknown."""
    files = project.run_checked(*nameless(), "-m", "stages.train_gan", GAN_PROCESSES="2", GLOO_SOCKET_IFNAME=interface)
    assert "generator.safetensors" in files
    if nameless() == (sys.executable,):
        pytest.skip("the interface alone was tested: this kernel or user may not have an unknown host name")


def nameless() -> tuple[str, ...]:
    """The start of a command that runs Python, on a host of such a name if possible."""
    prefix = ("unshare", "--uts", "--net", "sh", "-c", NO_NAME, sys.executable)
    if not all(map(shutil.which, ("unshare", "hostname", "ip"))):
        return (sys.executable,)
    printed = subprocess.run([*prefix, "-c", ASK], capture_output=True, text=True, check=False)
    if printed.returncode:  # this kernel or user may not have another host name
        return (sys.executable,)
    assert printed.stdout == "unknown\n"
    return prefix


def test_without_loopback_several_processes_are_refused_at_once(project: Project) -> None:
    """In a network of the process's own, whose loopback interface is down."""
    prefix = ("unshare", "--net", sys.executable)
    possible = shutil.which("unshare") and subprocess.run([*prefix, "-c", ""], capture_output=True, check=False)
    if not possible or possible.returncode:
        pytest.skip("this kernel or user may not have another network")
    done = project.run(*prefix, "-m", "stages.train_gan", GAN_PROCESSES="2")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"train_gan: several processes meet on 127.0.0.1, .* bring .* up, or set GAN_PROCESSES=1", line)
    assert project.written() == {}


@pytest.mark.parametrize(
    "left_over",
    [{"TORCHELASTIC_RUN_ID": "x"}, pytest.param({"RANK": "1", "LOCAL_RANK": "a"}, marks=pytest.mark.slow)],
)
def test_variables_that_some_launcher_left_over_do_no_harm(
    left_over: dict[str, str], main: Callable[..., object], project: Project
) -> None:
    assert main(GAN_PROCESSES="1", **left_over) is None
    assert "generator.safetensors" in project.written()


def test_nonsense_in_the_place_of_the_launchers_numbers_is_one_line(main: Callable[..., object]) -> None:
    names = ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    line = main(**dict.fromkeys(names, "0") | {"RANK": "first"})
    assert line == "train_gan: RANK: expected the number that torch's launcher sets, found 'first'; unset it"
