"""Measure training steps in one process, or in several started as the stage starts them.

bench.py runs this and passes the task as JSON in the environment variable TASK.
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
"""Number of training digits in the real dataset; the few digits of the tests are repeated to reach it."""


@dataclass(frozen=True)
class Task:
    """A measurement by one process or team.

    processes: how many share the parts; threads: of each process; shards: parts of a batch; warm_up, steps: before and
    during the measurement; started: time.time() at the start of the first process; result: the file to write.
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
    """The digits of the tests, repeated: the cost of a step does not depend on their content."""
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
    """Build the training of the stage and measure it; process 0 writes the result."""
    params, options = read_settings()
    params = params.model_copy(update={"shards": task.shards})
    loop = build_loop(params, options, repeated_digits(), torch.device("cpu"), team, [])
    figures = measure(loop, task)
    if team.rank == 0:
        Path(task.result).write_text(json.dumps(figures), encoding="ascii")
    team.barrier()


def main() -> None:
    """Run the task in this process, or start several, as the stage train_gan does."""
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
