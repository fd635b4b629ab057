"""Measures training steps in one process, or in several that the launcher starts as it does for the stage.

Run by bench.py, which says what to measure in the environment variable TASK, as JSON.
"""

import gzip
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from stages.common.images import ImageSet, to_float
from stages.common.runtime import make_deterministic
from stages.datasets.formats.idx import decode
from stages.gan import team as teams
from stages.gan.launch import launch
from stages.gan.loop import Loop
from stages.gan.team import Team
from stages.train_gan import build_loop, read_settings

TASK = "GAN_BENCH_TASK"
DIGITS = Path(__file__).parents[1] / "tests" / "digits"
COUNT = 50_000
"""Training digits of the real dataset: the few of the tests are repeated to so many."""


@dataclass(frozen=True)
class Task:
    """What one process, or team, is to measure.

    processes: that share the parts; threads: of each; shards: parts of a batch; warm_up, steps: before and while time
    is taken; started: time.time() when the first process was started; result: the file to write.
    """

    processes: int
    threads: int
    shards: int
    warm_up: int
    steps: int
    started: float
    result: str

    @classmethod
    def read(cls) -> "Task":
        """The task that bench.py set."""
        return cls(**json.loads(os.environ[TASK]))


def repeated_digits() -> ImageSet:
    """The digits of the tests, repeated: what a step costs does not depend on what they show."""
    images, labels = (
        torch.from_numpy(decode(gzip.decompress((DIGITS / f"train-{kind}-ubyte.gz").read_bytes())))
        for kind in ("images-idx3", "labels-idx1")
    )
    rows = torch.arange(COUNT) % len(labels)
    return ImageSet(to_float(images[:, None])[rows], labels.long()[rows], list("0123456789"))


def measure(loop: Loop, task: Task) -> dict[str, float]:
    """Seconds from the start to the first step, and milliseconds a step after the warm-up."""
    startup_s = time.time() - task.started
    for _ in range(task.warm_up):
        loop.step()
    begin = time.perf_counter()
    for _ in range(task.steps):
        loop.step()
    return {"startup_s": startup_s, "step_ms": 1000 * (time.perf_counter() - begin) / task.steps}


def work(task: Task, team: Team) -> None:
    """Build what the stage trains, measure it, and let process 0 write down what it took."""
    params, options = read_settings()
    params = params.model_copy(update={"shards": task.shards})
    loop = build_loop(params, options, repeated_digits(), torch.device("cpu"), team, [])
    figures = measure(loop, task)
    if team.rank == 0:
        Path(task.result).write_text(json.dumps(figures), encoding="ascii")
    team.barrier()


def main() -> None:
    """Take the same way to one or several processes as the stage train_gan."""
    task = Task.read()
    make_deterministic()
    torch.set_num_threads(task.threads)
    if teams.was_launched():
        work(task, teams.join(task.shards, torch.device("cpu")))
    elif task.processes > 1:
        launch("tools.bench_worker", task.processes)
    else:
        work(task, Team(task.shards))


if __name__ == "__main__":
    main()
