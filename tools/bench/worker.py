"""A process that measures, or one of several that train together, started as the stage starts them.

task.run_task runs this and passes the task as JSON in the environment variable VARIABLE.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch

from stages.common.runtime import make_deterministic
from stages.gan import team as teams
from stages.gan.launch import launch
from stages.gan.team import Team
from tools.bench.limit import measure_limit
from tools.bench.pipeline import measure_metrics
from tools.bench.shares import measure_shares
from tools.bench.task import Results, Task
from tools.bench.training import measure_steps, read_settings
from tools.bench.tutorial import measure_tutorial
from tools.cost import MAXRSS_BYTES, MIB

KINDS: dict[str, Callable[[Task, Team], Results]] = {
    "steps": measure_steps,
    "limit": measure_limit,
    "shares": measure_shares,
    "evaluate": measure_metrics,
}
"""Measurements by name: of the stage's own training, and of metrics."""
TUTORIAL = "tutorial"
"""The name of the measurement that uses neither parts nor deterministic kernels."""


def work(task: Task, team: Team) -> None:
    """Measure; process 0 writes the figures, with the peak memory of this process."""
    figures = KINDS[task.kind](task, team)
    if team.rank == 0:
        write(task, figures)
    team.barrier()


def write(task: Task, figures: Results) -> None:
    """Write the figures to the task's file, with the peak memory of this process."""
    import resource  # noqa: PLC0415 (Windows has none, and other modules import this one)

    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES / MIB
    Path(task.result).write_text(json.dumps(figures | {"peak_mib": peak_mib}), encoding="ascii")


def main() -> None:
    """Run the task in this process, or start several, as the stage train_gan does."""
    task = Task.read()
    torch.set_num_threads(task.threads)
    if task.kind == TUTORIAL:
        write(task, measure_tutorial(task))
        return
    make_deterministic()
    torch.set_num_threads(task.threads)
    shards = read_settings(task.changes)[0].shards
    if teams.was_launched():
        try:
            work(task, teams.join(shards, torch.device("cpu")))
        finally:
            teams.leave()
    elif task.processes > 1:
        launch("tools.bench.worker", task.processes)
    else:
        work(task, Team(shards))


if __name__ == "__main__":
    main()
