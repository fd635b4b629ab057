"""How fast a training step could be: its convolutions and matrix products alone, each at the machine's best rate.

Every convolution and matrix product of one step is recorded with the shapes and layouts of its tensors: forward,
backward, and the second backward of a penalty. Then each distinct one is run alone on one thread, with its data in the
cache, in the layout of the step, with channels last and with channels first; the fastest run counts. The limit is the
sum of these times over all calls of a step. The share of the limit is the limit divided by the time of a whole step on
one thread: all else (elementwise functions, copies, draws, optimiser) and all that keeps an operation from its best
rate lowers it.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from stages.gan.team import Team
from tools.bench.task import Results, Task
from tools.bench.training import mean_step_ms, new_loop

REPEATS = 7
"""Runs of an operation in each layout, of which the fastest counts."""
LARGE_PRODUCT = 1024
"""Rows and columns of the matrices whose product shows the machine's highest rate."""
CONVOLUTION, BACKWARD = "convolution", "convolution_backward"


@dataclass(frozen=True)
class TensorShape:
    """All of a tensor that decides how long an operation takes."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def tensor(self, layout: torch.memory_format | None = None) -> Tensor:
        """Random values of that shape; layout: of a tensor with four dimensions, if not its own."""
        size = 1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        values = torch.randn(size).to(self.dtype).as_strided(self.shape, self.stride)
        return values if layout is None or values.dim() != 4 else values.contiguous(memory_format=layout)


@dataclass(frozen=True)
class Operation:
    """A convolution or matrix product: torch's function, and its arguments with TensorShape in place of tensors."""

    function: Any
    arguments: tuple[Any, ...]
    flop: int
    """Floating-point operations: two for each multiply-add, counted by torch.utils.flop_counter."""

    @property
    def kind(self) -> str:
        """CONVOLUTION, BACKWARD, or product."""
        name = self.function.overloadpacket.__name__.strip("_")
        return name if name in (CONVOLUTION, BACKWARD) else "product"

    def best_s(self) -> float:
        """Seconds of the fastest of several runs on this thread."""
        layouts = (None,) if self.kind == "product" else (None, torch.channels_last, torch.contiguous_format)
        return min(_seconds(self, layout) for layout in layouts)


class Recorder(TorchDispatchMode):
    """Counts the convolutions and matrix products that run inside its block."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Operation] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function; record it if torch knows how many operations it takes."""
        result = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func.overloadpacket):
            flop = int(count(*args, **(kwargs or {}), out_val=result))
            self.calls[Operation(func, tuple(map(_described, args)), flop)] += 1
        return result


def _described(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return TensorShape(tuple(argument.shape), argument.stride(), argument.dtype)
    return tuple(argument) if isinstance(argument, list) else argument


def _seconds(operation: Operation, layout: torch.memory_format | None) -> float:
    """The fastest of REPEATS runs, after one that does not count."""
    arguments = [
        argument.tensor(layout) if isinstance(argument, TensorShape) else argument for argument in operation.arguments
    ]
    return min(list(_runs(operation.function, arguments))[1:])


def _runs(function: Any, arguments: list[Any]) -> Iterator[float]:
    with torch.no_grad():
        for _ in range(1 + REPEATS):
            begin = time.perf_counter()
            function(*arguments)
            yield time.perf_counter() - begin


def limit_of(calls: Counter[Operation]) -> Results:
    """Of recorded calls: limit_ms, and by kind of operation the milliseconds and the giga-operations."""
    figures: defaultdict[str, float] = defaultdict(float)
    for operation, count in calls.items():
        milliseconds = 1000 * count * operation.best_s()
        figures[f"{operation.kind}_ms"] += milliseconds
        figures[f"{operation.kind}_gflop"] += count * operation.flop / 1e9
        figures["limit_ms"] += milliseconds
        figures["gflop"] += count * operation.flop / 1e9
    return dict(figures)


def large_product_gflops() -> float:
    """Giga-operations a second of a large matrix product on this thread, the fastest of several."""
    shape = TensorShape((LARGE_PRODUCT, LARGE_PRODUCT), (LARGE_PRODUCT, 1), torch.float32)
    flop = 2 * LARGE_PRODUCT**3
    return flop / 1e9 / Operation(torch.ops.aten.mm.default, (shape, shape), flop).best_s()


def measure_limit(task: Task, team: Team) -> Results:
    """step_ms of a whole step on one thread, and what limit_of says of its operations."""
    loop = new_loop(task.changes, team)
    for _ in range(task.warm_up):
        loop.step()
    step_ms = mean_step_ms(loop, task.steps)
    with Recorder() as recorder:
        loop.step()
    return {"step_ms": step_ms, "peak_gflops": large_product_gflops(), **limit_of(recorder.calls)}
