"""Commands in groups of their own: a signal to the one who waits ends whatever they have started."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tools import cost
from tools.fresh import interruptible
from tools.process_group import run_in_group

PROGRAM = """
import subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path("started.partial").write_text(f"{child.pid}", encoding="ascii")
Path("started.partial").rename("started")
time.sleep(600)
"""
pytestmark = pytest.mark.skipif(os.name != "posix", reason="a signal to oneself is no request on Windows")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where PROGRAM will run; this process is sent SIGTERM as soon as its child has started."""
    path = tmp_path / "folder"
    path.mkdir()

    def ask() -> None:
        end = time.monotonic() + 60
        while not (path / "started").exists() and time.monotonic() < end:
            time.sleep(0.02)
        if (path / "started").exists():
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask, daemon=True).start()
    yield path
    assert has_ended(int((path / "started").read_text(encoding="ascii")))


def has_ended(pid: int) -> bool:
    """Whether a process ends within seconds; one that nobody waits for has ended, too."""
    try:
        process = psutil.Process(pid)
        gone, _alive = psutil.wait_procs([process], timeout=5)
        return bool(gone) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_command_ends_with_all_that_it_has_started(folder: Path) -> None:
    with pytest.raises(SystemExit) as ended, interruptible():
        run_in_group([sys.executable, "-c", PROGRAM], folder)
    assert ended.value.code == 128 + signal.SIGTERM


def test_a_stage_that_is_measured_ends_with_all_that_it_has_started(folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("stages", "data"):
        (project / name).mkdir(parents=True)
    (project / "params.yaml").write_text("long: {}\n", encoding="utf-8")
    (project / "stages" / "long.py").write_text(PROGRAM, encoding="utf-8")
    with pytest.raises(SystemExit) as ended, interruptible():
        cost.measure("long", project, folder)
    assert ended.value.code == 128 + signal.SIGTERM


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    assert run_in_group([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path) == 3


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.default_int_handler])
def test_what_is_started_obeys_sigint_though_this_process_ignores_it(handler: Any, tmp_path: Path) -> None:
    """Otherwise the group, which is asked to end by SIGINT, would not, until it is killed a minute later."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        program = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
        assert run_in_group([sys.executable, "-c", program], tmp_path) == 0
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)
