"""Who is killed and when: the plans of torture.py, and the processes that a plan hits."""

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

MOMENTS = ("start", "training", "checkpoint", "outs")
KINDS = [
    *((victim, moment) for moment in MOMENTS for victim in ("dvc", "stage", "worker", "all")),
    *((victim, "taking over") for victim in ("dvc", "all")),
]
"""Who is killed, and when. While DVC takes over the outs, the stage has ended already."""
POLL_S = 0.0005


@dataclass(frozen=True)
class Plan:
    """One kill.

    victim: one of KINDS, with moment; when: how far into that moment, in [0, 1); processes, processes_after: how many
    train in the run that is killed and in the one that finishes it; turn_a_bit: whether a bit of the newest checkpoint
    is flipped in between; hasty: whether the next `dvc repro` starts at once, before all processes of the killed run
    have noticed that they must end.
    """

    victim: str
    moment: str
    when: float
    processes: int
    processes_after: int
    turn_a_bit: bool
    hasty: bool

    @property
    def turns_journal(self) -> bool:
        """Whether that bit is of what is finished, on which all checkpoints rely."""
        return int(self.when * 1000) % 3 == 0

    @classmethod
    def draw(cls, seed: int, number: int) -> "Plan":
        """The plan with that number, a function of both. Each round takes every kind once, in an order of its own."""
        turn, place = divmod(number, len(KINDS))
        victim, moment = random.Random(f"{seed} {turn}").sample(KINDS, len(KINDS))[place]
        rng = random.Random(f"{seed} {number} details")
        processes = 2 if victim == "worker" else rng.choice((1, 1, 2))
        after = rng.choice((1, 1, 2))
        return cls(victim, moment, rng.random(), processes, after, rng.random() < 0.3, rng.random() < 0.5)


def wait_until(has_come: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Return when the moment has come, or the process has ended."""
    while not has_come() and process.poll() is None:
        time.sleep(POLL_S)


def exists_in(folder: Path, *names: str) -> bool:
    """Whether the folder, or a folder in it, holds a file with one of these names."""
    return any(path.name in names for path in folder.glob("*/*")) or any((folder / name).exists() for name in names)


def descendants(number: int) -> list[psutil.Process]:
    """The process, first, and all that it has started; nothing if it has ended."""
    try:
        process = psutil.Process(number)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_stage(process: psutil.Process) -> bool:
    """Whether the process is the stage train_gan or one of its workers."""
    with contextlib.suppress(psutil.Error):
        return "stages.train_gan" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    return False


def choose(plan: Plan, dvc: int) -> list[psutil.Process]:
    """The processes that the plan kills, of those that exist by now."""
    family = descendants(dvc)
    if plan.victim == "all":
        return family
    if plan.victim == "dvc":
        return family[:1]
    stages = [process for process in family if is_stage(process)]
    if plan.victim == "stage":
        return stages[:1]
    return [random.Random(plan.when).choice(stages[1:])] if stages[1:] else []
