"""The training that is measured: that of params.yaml on the CPU, with the tests' digits in place of the real ones."""

import gzip
import time
from pathlib import Path
from typing import Any

import torch

from stages.common.images import ImageSet, to_float
from stages.common.params import StageParams, validate_section
from stages.datasets.formats.idx import decode
from stages.gan import architectures
from stages.gan.loop import Loop
from stages.gan.team import Team
from stages.train_gan import STAGE, Params, build_loop
from tools.bench.task import Results, Task
from tools.profiles import params_with

DIGITS = Path(__file__).parents[2] / "tests" / "digits"
COUNT = 50_000
"""Number of training digits in the real dataset; the few digits of the tests are repeated to reach it."""


def levels_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    """The training digits of the tests: grey levels uint8 [N, 28, 28] and labels int64 [N]."""
    images, labels = (
        torch.from_numpy(decode(gzip.decompress((DIGITS / f"train-{kind}-ubyte.gz").read_bytes())))
        for kind in ("images-idx3", "labels-idx1")
    )
    return images, labels.long()


def repeated_digits() -> ImageSet:
    """The same as the pipeline holds them, float32 in [-1, 1], repeated: [COUNT, 1, 28, 28].

    The cost of a step does not depend on what they show.
    """
    levels, labels = levels_and_labels()
    rows = torch.arange(COUNT) % len(labels)
    return ImageSet(to_float(levels[:, None])[rows], labels[rows], list("0123456789"))


def read_settings(changes: dict[str, Any]) -> tuple[Params, StageParams]:
    """The section train_gan of the committed params.yaml with these changes, and the options of its network."""
    content = params_with(changes)
    params = validate_section(content, STAGE, Params)
    return params, architectures.read_options(content, params.network)


def new_loop(changes: dict[str, Any], team: Team) -> Loop:
    """The training loop of that team, as the stage builds it."""
    params, options = read_settings(changes)
    return build_loop(params, options, repeated_digits(), torch.device("cpu"), team, [])


def mean_step_ms(loop: Loop, steps: int) -> float:
    """Milliseconds a step takes, mean over that many."""
    begin = time.perf_counter()
    for _ in range(steps):
        loop.step()
    return 1000 * (time.perf_counter() - begin) / steps


def measure_steps(task: Task, team: Team) -> Results:
    """The training step of the stage: startup_s before the first step, and step_ms after the warm-up."""
    loop = new_loop(task.changes, team)
    startup_s = time.time() - task.started
    for _ in range(task.warm_up):
        loop.step()
    return {"startup_s": startup_s, "step_ms": mean_step_ms(loop, task.steps)}
