"""Starting the processes that share a stage's work, stopping them, and never leaving one behind.

One process that DVC runs, the stage, starts the workers through torch's elastic launcher and waits. Asked to stop by
SIGINT or SIGTERM, it forwards the request to the workers, which agree on a step to stop at. A process whose parent is
gone exits before its next step and writes nothing more: the workers watch the stage, and the stage watches DVC. Without
DVC no process is watched, so that a stage under nohup outlives its terminal.
"""

import contextlib
import logging
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from types import FrameType

import psutil
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import stages
from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.gan.signal_names import signal_name

WATCH_S = 0.2
"""Seconds between two checks of the waiting stage: is its parent alive, was it asked to stop?"""
SHORT_KIMG = 10.0
"""Thousands of images below which starting processes costs more time than it saves, because each one loads torch."""
AGAIN_S = 1.0
"""A second signal within this time counts as a repeat of the first: `timeout` and service managers send two."""
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish"}
LOOPBACK = "127.0.0.1"
LOOPBACK_TIMEOUT_S = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ParentWatch:
    """Knows whether the processes that this one must not outlive are still alive."""

    def __init__(self, must_watch: bool) -> None:
        self._watched = self._ancestors() if must_watch else []

    def is_alive(self) -> bool:
        """False once a watched ancestor is gone: its child then has another parent."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return all(child.ppid() == parent for child, parent in self._watched)
        return False

    @staticmethod
    def _ancestors() -> list[tuple[psutil.Process, int]]:
        """This process with its parent, and if that is a shell running a single command, the shell with its parent."""
        pairs = [(psutil.Process(), stages.PARENT)]
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(stages.PARENT)
            if parent.name() in SHELLS and "-c" in parent.cmdline():
                pairs.append((parent, stages.GRANDPARENT))
        return pairs


class StopRequest:
    """Records SIGINT and SIGTERM (the first one's number in `signal`) instead of exiting on them.

    A later signal ends the process as usual, unless it is a worker: workers end with the process that started them.
    """

    def __init__(self, one_of_several: bool) -> None:
        self.signal = 0
        self._one_of_several, self._since = one_of_several, math.inf
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal == 0:
            self.signal, self._since = number, time.monotonic()
        elif time.monotonic() > self._since + AGAIN_S:
            self._insist(number)

    def _insist(self, number: int) -> None:
        if not self._one_of_several:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def launch(module: str, count: int) -> None:
    """Run `python -m module` in `count` processes on this machine, as torchrun would, and wait for all of them.

    Returns if all end well; otherwise ends this process with the exit code of the first that did not (128 + the number
    of the signal for those stopped by one).
    """
    # They meet on loopback at a free port: no host name has to resolve, and any number of runs go side by side.
    require_loopback()
    for library in ("GLOO", "NCCL"):  # not what the user's cluster may need
        os.environ[f"{library}_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # its tracebacks of the workers' errors
    supervisor = _Supervisor()
    with tempfile.TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=module,
            rdzv_backend="c10d",
            rdzv_endpoint=f"{LOOPBACK}:0",
            local_addr=LOOPBACK,
            max_restarts=0,
            signals_to_handle="",  # the launcher would kill the workers; ours lets them finish their step
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(config, sys.executable)("-m", module)
        except ChildFailedError as error:
            sys.exit(_exit_code(error, supervisor.signal, module))


def require_loopback() -> None:
    """Raises UserError if processes of this machine cannot reach each other over 127.0.0.1."""
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=LOOPBACK_TIMEOUT_S).close()
    except OSError as error:
        raise UserError(
            f"several processes meet on {LOOPBACK}, which cannot be reached ({error.strerror or error}): bring the "
            "loopback interface up, or set GAN_PROCESSES=1"
        ) from None


def _exit_code(error: ChildFailedError, stop_signal: int, module: str) -> int:
    codes = [failure.exitcode for failure in error.failures.values()]
    if stop_signal:
        return 128 + stop_signal
    # The launcher itself ends the remaining workers with SIGTERM.
    killed = [-code for code in codes if code < 0 and -code != signal.SIGTERM]
    if killed:
        name = signal_name(killed[0])
        cause = ", as Linux does when memory runs out" if name == "SIGKILL" else ""
        resume = "`dvc repro` resumes from the last checkpoint"
        print(f"{module}: a worker was ended by {name}{cause}; {resume}", file=sys.stderr)
        return 1
    return next((code for code in codes if code > 0), 128 + signal.SIGTERM)


class _Supervisor(StopRequest):
    """Forwards requests to stop to the workers, and kills them if this process has to exit at once."""

    def __init__(self) -> None:
        super().__init__(one_of_several=False)
        self._notified: set[int] = set()
        threading.Thread(target=self._watch, daemon=True).start()

    def _insist(self, number: int) -> None:
        self._end(128 + number)

    def _watch(self) -> None:
        """Not in the signal handler, because a signal may come before the workers exist."""
        watch, pause = ParentWatch(must_watch="DVC_ROOT" in os.environ), threading.Event()
        while watch.is_alive():
            if self.signal:
                self._ask()
            pause.wait(WATCH_S)
        self._end(1)

    def _ask(self) -> None:
        """Always by SIGTERM: a worker that is still importing then exits without a traceback."""
        for worker in psutil.Process().children():
            if worker.pid not in self._notified:
                self._notified.add(worker.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.terminate()

    @staticmethod
    def _end(code: int) -> None:
        for worker in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        os._exit(code)


def processes_to_start(requested: int | None, parts: int, device: str, gpus: int, kimg: float) -> int:
    """How many processes share the parts: `requested` (GAN_PROCESSES), or the number of parts, cores or GPUs.

    Of these the smallest counts; a training of less than SHORT_KIMG gets one process. Raises UserError if more are
    requested than there are parts, or GPUs.
    """
    places = {"cuda": gpus if dist.is_nccl_available() else min(gpus, 1), "mps": 1}.get(device, parts)
    if requested is None:
        return 1 if kimg < SHORT_KIMG else min(parts, available_cores() if device == "cpu" else places)
    if requested > parts:
        raise UserError(f"GAN_PROCESSES: expected at most train_gan.shards = {parts}, found {requested}")
    if device == "cuda" and places < min(requested, gpus):
        raise UserError(f"GAN_PROCESSES: {requested} GPUs need NCCL, which this torch lacks; expected 1")
    if requested > places:
        raise UserError(f"GAN_PROCESSES: expected at most {places} on {device}, one for each GPU, found {requested}")
    return requested
