"""Starting the processes that share a stage's work, stopping them, and never leaving one behind.

One process that DVC runs, the stage, starts the workers through torch's elastic launcher and waits. It passes SIGINT
and SIGTERM on; the workers agree on the step to stop at. A process whose parent is gone ends before its next step
and writes nothing more: the workers watch the stage, the stage watches DVC. Without DVC nobody is watched, so that a
stage under nohup outlives its terminal.
"""

import contextlib
import logging
import math
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import stages
from stages.common.errors import UserError

WATCH_S = 0.2
"""Seconds between two looks of the waiting stage at its parent."""
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}
CGROUP = Path("/sys/fs/cgroup")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ParentWatch:
    """Knows whether the processes that this one must not outlive are still there."""

    def __init__(self, must_watch: bool) -> None:
        self._watched = self._ancestors() if must_watch else []

    def is_alive(self) -> bool:
        """False once a watched ancestor is gone: its child then has another parent."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return all(child.ppid() == parent for child, parent in self._watched)
        return False

    @staticmethod
    def _ancestors() -> list[tuple[psutil.Process, int]]:
        """This process with its parent, and if that is a shell that runs one command, the shell with its parent."""
        pairs = [(psutil.Process(), stages.PARENT)]
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(stages.PARENT)
            if parent.name() in SHELLS and "-c" in parent.cmdline():
                pairs.append((parent, parent.ppid()))
        return pairs


class StopRequest:
    """Notes the first SIGINT or SIGTERM instead of dying of it; the second one ends the process as ever."""

    def __init__(self) -> None:
        self.signal = 0
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        for one in STOP_SIGNALS:
            signal.signal(one, signal.SIG_DFL)


def available_cores() -> int:
    """Cores that this process really gets: by affinity, and by the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(cores, math.ceil(_cgroup_quota(CGROUP))))


def _cgroup_quota(root: Path) -> float:
    """Cores' worth of time that a Linux control group grants, of version 2 or 1; infinite if there is no limit."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota, period = (
            (root / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
        )
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    return math.inf


def launch(module: str, count: int) -> None:
    """Run `python -m module` in `count` processes on this machine, as torchrun would, and wait for all of them.

    Returns if all end well; otherwise ends this process with the exit code of the first that did not (128 + the number
    of the signal for those stopped by one).
    """
    # They meet on loopback at a free port: no host name has to resolve, and any number of runs go side by side.
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # its tracebacks of the workers' errors
    request = _Forwarder()
    with tempfile.TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=module,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            signals_to_handle="",  # the launcher would kill the workers; ours lets them finish their step
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(config, sys.executable)("-m", module)
        except ChildFailedError as error:
            sys.exit(_exit_code(error, request.signal, module))


def _exit_code(error: ChildFailedError, asked: int, module: str) -> int:
    codes = [failure.exitcode for failure in error.failures.values()]
    if asked:
        return 128 + asked
    killed = [-code for code in codes if code < 0 and -code != signal.SIGTERM]
    if killed:
        name = signal.Signals(killed[0]).name
        print(f"{module}: a worker was ended by {name}; `dvc repro` goes on from the last checkpoint", file=sys.stderr)
        return 1
    return next((code for code in codes if code > 0), 1)


class _Forwarder(StopRequest):
    """Passes signals on to the workers, and ends everything at once when the parent is gone."""

    def __init__(self) -> None:
        super().__init__()
        watch = ParentWatch(must_watch="DVC_ROOT" in os.environ)
        threading.Thread(target=self._end_with_parent, args=(watch.is_alive,), daemon=True).start()

    def _note(self, number: int, frame: FrameType | None) -> None:
        super()._note(number, frame)
        for worker in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.send_signal(number)

    @staticmethod
    def _end_with_parent(is_alive: Callable[[], bool]) -> None:
        pause = threading.Event()
        while is_alive():
            pause.wait(WATCH_S)
        for worker in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        os._exit(1)


def processes_to_start(asked: int | None, parts: int, device: str, gpus: int) -> int:
    """How many processes share the parts: as asked (GAN_PROCESSES), else one for each part, core or GPU, the least.

    Raises UserError if more are asked for than there are parts.
    """
    if asked is None:
        return min(parts, gpus if device == "cuda" else available_cores() if device == "cpu" else 1)
    if asked > parts:
        raise UserError(f"GAN_PROCESSES: expected at most train_gan.shards = {parts}, found {asked}")
    return asked
