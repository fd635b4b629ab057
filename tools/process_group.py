"""Commands that run for long, each in a process group of its own, all of which ends with the program that waits for it.

subprocess.run kills the command alone, at once: what DVC has started would run on, in a folder that is being deleted.
Commands whose output is read, see output_of_dvc, end soon.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

UTF_8 = {"PYTHONIOENCODING": "utf-8:surrogateescape"}
"""Of the environment of a command whose output is read. Paths may be no UTF-8."""
PATIENCE_S = 60
"""How long DVC and a stage may take to end after they were asked to."""


def run_in_group(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str] | None = None, stdin: int | None = None
) -> int:
    """Run a command there, its output passed through. Returns the exit code.

    Signals that end this process, see fresh.interruptible, end the group first: all of it gets SIGINT, after which dvc
    waits for the end of its stage.
    """
    with interruptible_children():
        process = subprocess.Popen(command, cwd=cwd, env=env, stdin=stdin, start_new_session=True)
    with process:
        try:
            return process.wait()
        except BaseException:
            end_group(process)
            raise


@contextlib.contextmanager
def interruptible_children() -> Iterator[None]:
    """Let what is started here obey SIGINT, which `&` in a script makes this process and all that it starts ignore."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a handler is not inherited, to ignore is
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, and all of its group.

    Workers of a training end with the stage that started them. Windows has no such groups: there, the process and what
    it started.
    """
    if os.name == "nt":
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        return
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
            return


def output_of_dvc(root: Path, *arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a dvc command there to its end, whatever that is."""
    return output_of_python(root, "-m", "dvc", *arguments, stdin=stdin)


def output_of_python(root: Path, *arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run this interpreter there with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=os.environ | UTF_8,
        stdin=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
