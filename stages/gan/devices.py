"""The device that trains: the one that is named, or for `auto` the first that works of those that the machine has.

A GPU may be there and not work: torch has no kernels for it, its memory is full, another process has it for itself, its
driver is too old or hangs. So a small piece of work is tried on each, in another process (probe.py) with a deadline.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from stages.common.errors import UserError
from stages.gan.signal_names import signal_name

NAMES = ("auto", "cpu", "cuda", "mps")
GPUS = ("cuda", "mps")
"""Kinds of GPU, in the order in which `auto` takes them."""
KEY = "train_gan.device"
PROBE_S = 90
"""Deadline of a probe: the first start of many GPUs takes half a minute, or the driver has to translate kernels."""
VISIBLE = "CUDA_VISIBLE_DEVICES"
LAUNCHED_ON = "TRAIN_GAN_LAUNCHED_ON"
"""By which a process tells those that it starts what it chose; each has its own GPU then."""
ABSENT = ("no cuda gpus are available", "no hip gpus are available", "found no nvidia driver")
"""How torch says that there is no GPU at all."""


@dataclass(frozen=True)
class Gpu:
    """A GPU that was tried: its name to torch, its model, and what is wrong with it (None if it works)."""

    device: str
    model: str
    problem: str | None


@dataclass(frozen=True)
class Choice:
    """kind: cpu, cuda or mps; numbers: of the GPUs that work, with CUDA."""

    kind: str
    numbers: Sequence[int] = ()

    def device(self, place: int = 0) -> torch.device:
        """The device of that process among those of this machine. Raises UserError if there are more than GPUs."""
        if self.kind != "cuda":
            return torch.device(self.kind)
        if place >= len(self.numbers):
            raise UserError(f"{place + 1} processes of this machine need a GPU each, and {len(self.numbers)} work")
        return torch.device("cuda", self.numbers[place])


def choose(name: str) -> Choice:
    """Try the device of that name, or for `auto` one kind after the other.

    What does not work is reported on stderr, in one line, if something else is used; else it raises UserError.
    """
    problems = []
    for kind in GPUS if name == "auto" else (name,):
        choice, problem = (Choice("cpu"), "") if kind == "cpu" else _usable(kind)
        if problem:
            problems.append(problem)
        if choice:
            _report(problems, choice)
            return choice
    if name == "auto":
        _report(problems, Choice("cpu"))
        return Choice("cpu")
    state = f"does not work: {problems[0]}" if problems else f"is not available{_why_absent(name)}"
    present = ", ".join(["cpu", *(kind for kind in GPUS if kind != name and _usable(kind)[0])])
    raise UserError(f"{KEY}: {name} {state}; this machine has {present}: set one of them, or auto")


def choose_as_launched(name: str, place: int) -> torch.device:
    """The device of a process that was started as one of several. Raises UserError."""
    kind = os.environ.get(LAUNCHED_ON)
    if kind in (*GPUS, "cpu"):
        return torch.device(kind, place) if kind == "cuda" else torch.device(kind)
    return choose(name).device(place)


def pass_on(choice: Choice) -> None:
    """Let the processes that this one starts train there, on the GPUs that work alone."""
    os.environ[LAUNCHED_ON] = choice.kind
    if list(choice.numbers) != list(range(len(choice.numbers))):
        names = os.environ.get(VISIBLE, "").split(",")
        os.environ[VISIBLE] = ",".join(names[n].strip() if any(names) else str(n) for n in choice.numbers)


def is_claimed(kind: str) -> bool:
    """Whether the machine seems to have such a GPU, without asking a driver that is there, because it may hang."""
    if kind == "mps":
        return _available(torch.backends.mps)
    if not torch.backends.cuda.is_built() or _are_hidden():
        return False
    return _has_driver() or _available(torch.cuda)


def _available(backend: object) -> bool:
    try:
        return bool(backend.is_available())  # type: ignore[attr-defined]
    except Exception:  # whatever it is: the probe will say it
        return True


def _are_hidden() -> bool:
    return VISIBLE in os.environ and os.environ[VISIBLE].strip() in ("", "-1", "NoDevFiles")


def _has_driver() -> bool:
    if torch.version.hip:
        return Path("/dev/kfd").exists()
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _why_absent(name: str) -> str:
    if name == "cuda" and not torch.backends.cuda.is_built():
        return " (torch was built without it)"
    return f" ({VISIBLE} is {os.environ[VISIBLE]!r})" if name == "cuda" and _are_hidden() else ""


def _usable(kind: str) -> tuple[Choice | None, str]:
    """The GPUs of that kind that work, and what is wrong with others; all are of the model of the first one.

    The bytes of a run depend on the model, so that a training has one.
    """
    if not is_claimed(kind):
        return None, ""
    gpus = probe(kind)
    if not gpus and VISIBLE in os.environ:
        return None, f"{kind} ({VISIBLE} is {os.environ[VISIBLE]!r}, which shows none)"
    broken = [f"{gpu.device} ({gpu.problem})" for gpu in gpus if gpu.problem]
    working = [gpu for gpu in gpus if not gpu.problem]
    numbers = [int(gpu.device.partition(":")[2] or 0) for gpu in working if gpu.model == working[0].model]
    return (Choice(kind, numbers) if working else None), ", ".join(broken)


def _report(problems: list[str], choice: Choice) -> None:
    if problems:
        used = ", ".join(f"cuda:{number}" for number in choice.numbers) if choice.kind == "cuda" else choice.kind
        print(f"{KEY}: {', '.join(problems)} does not work; {used} is used instead", file=sys.stderr, flush=True)


def probe(kind: str) -> list[Gpu]:
    """Try each GPU of that kind in another process. An empty list: there is none."""
    isolated = ["-E"] if sys.flags.ignore_environment else []  # as this process: PYTHONPATH may hold its packages
    command = [sys.executable, *isolated, "-m", "stages.gan.probe", kind]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(timeout=PROBE_S)
        end = _end_of(process.returncode, err)
    except subprocess.TimeoutExpired as error:
        out, end = error.output or b"", f"no answer within {PROBE_S} s"
    finally:
        process.kill()  # and no wait: a process that waits for a driver may not end even so
    return read_answers(kind, out, end)


def read_answers(kind: str, out: bytes, end: str) -> list[Gpu]:
    """The GPUs that a probe tried; `end`: how it ended, if not well, which counts for the one without an answer."""
    models: dict[str, str] = {}
    problems: dict[str, str | None] = {}
    for line in out.decode("utf-8", errors="replace").splitlines():
        try:
            answer = json.loads(line)
            device = str(answer["device"])
        except (ValueError, TypeError, KeyError):  # something that a library prints, or half a line
            continue
        models.setdefault(device, str(answer.get("model", "")))
        if "problem" in answer:
            problems[device] = answer["problem"]
    if len(models) == 1 and any(text in (problems.get(kind) or "").lower() for text in ABSENT):
        return []
    if not models and end:
        return [Gpu(kind, "", end)]
    return [Gpu(device, model, problems.get(device, end or "no answer")) for device, model in models.items()]


def _end_of(code: int, err: bytes) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"a test of it was ended by {signal_name(-code)}"
    lines = err.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"a test of it ended with exit code {code}"
