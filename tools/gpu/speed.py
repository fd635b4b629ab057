"""A process that measures steps of a training: `python -m tools.gpu.speed TASK`, TASK as JSON. Prints JSON.

Of a process of its own, because peak memory is that of a process, and a GPU that fails spoils the process that used it.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from stages.common.images import load_alike
from stages.common.params import validate_section
from stages.common.runtime import make_deterministic
from stages.gan import architectures, graph
from stages.gan.graph import EachKernel, StaticStep, static_step
from stages.gan.inputs import BLOCK_STEPS
from stages.gan.team import Team
from stages.train_gan import STAGE, Params, build_loop

STRICT_STEPS = BLOCK_STEPS
"""Among so many steps one begins a block of draws, whose copy to the GPU nobody may wait for either."""
PROFILED_STEPS = 20
WARM_UP_STEPS = 2 * graph.WARM_UP_STEPS


@dataclass(frozen=True)
class Task:
    """content: of params.yaml; data: with the digits; graph: whether by CUDA graphs; steps: to be timed."""

    content: dict[str, Any]
    data: str
    device: str
    graph: bool
    steps: int

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def measure(task: Task) -> dict[str, float]:
    """images_per_s, step_ms, kernels of a step and the share of the time in which one runs, and memory in MiB."""
    device = torch.device(task.device)
    params = validate_section(task.content, STAGE, Params)
    options = architectures.read_options(task.content, params.network)
    digits = load_alike(*(Path(task.data) / "normalize" / f"{name}.safetensors" for name in ("train", "validation")))[0]
    trainer = build_loop(params, options, digits, device, Team(params.shards), []).trainer
    stepper = static_step(trainer, task.graph) or StaticStep(trainer, EachKernel())
    begin = time.perf_counter()
    run_steps(stepper, 0, WARM_UP_STEPS)
    found = {"first_steps_s": time.perf_counter() - begin}
    without_waiting(device, lambda: run_steps(stepper, WARM_UP_STEPS, STRICT_STEPS, ask=False))
    first = WARM_UP_STEPS + STRICT_STEPS
    begin = time.perf_counter()
    run_steps(stepper, first, task.steps)
    seconds = time.perf_counter() - begin
    found |= {"images_per_s": task.steps * params.images_per_step / seconds, "step_ms": 1000 * seconds / task.steps}
    if device.type == "cuda":
        found |= of_kernels(lambda: run_steps(stepper, first + task.steps, PROFILED_STEPS))
        found["peak_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        found["reserved_memory_mib"] = torch.cuda.max_memory_reserved() / 2**20
    trainer.require_finite_updates(first + task.steps + (PROFILED_STEPS if device.type == "cuda" else 0))
    return found


def run_steps(stepper: StaticStep, first: int, count: int, ask: bool = True) -> Tensor:
    """So many steps, at the end of which the device is asked for the figures, if so."""
    for step in range(first, first + count):
        figures = stepper(step)
    if ask:
        figures.sum().item()
    return figures


def without_waiting(device: torch.device, steps: Callable[[], Tensor]) -> None:
    """Raises what torch raises if one of these steps waits for the device."""
    if device.type != "cuda":
        steps()
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def of_kernels(steps: Callable[[], Tensor]) -> dict[str, float]:
    """How many kernels a step has, and the share of the time in which at least one is running."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        steps()
        torch.cuda.synchronize()
    on_gpu = [event for event in profiled.events() or [] if event.device_type == DeviceType.CUDA]
    spans = sorted((event.time_range.start, event.time_range.end) for event in on_gpu)
    if not spans:
        return {}
    whole = max(end for _, end in spans) - spans[0][0]
    return {"kernels_per_step": len(spans) / PROFILED_STEPS, "share_in_kernels": covered(spans) / whole}


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of the union of spans, sorted by their starts: kernels on several streams run at once."""
    total, reached = 0.0, float("-inf")
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


if __name__ == "__main__":
    make_deterministic()
    print(json.dumps(measure(Task(**json.loads(sys.argv[1])))))
