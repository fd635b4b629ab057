"""The whole step of a training as one record of kernels, which a GPU replays: a CUDA graph.

A step of this GAN is some thousand small kernels, and a CPU launches one slower than a GPU computes it. A graph
launches all of them at once. It replays the same kernels at the same addresses, so that what changes from step to step
lies in static tensors (inputs.py), and nothing in a step may ask the device for a value.

No byte depends on it: a replay is the kernels of the step, in an order that keeps what depends on what. The first steps
of each kind are trained kernel by kernel, as a warm-up that is no loss; recording computes nothing.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from stages.common.errors import UserError
from stages.gan.inputs import DrawnAhead, Signature, StepInputs, of_row
from stages.gan.lanes import Lanes, Streams, in_turn
from stages.gan.optimizers import count_on_device
from stages.gan.trainer import Trainer

WARM_UP_STEPS = 3
"""Steps of each kind that come before the record, as torch's documentation has it: libraries set themselves up."""

Step = Callable[[], Tensor]


class Recorder(Protocol):
    """How a step on static tensors is run, again and again. lanes: for the parts of its batches."""

    lanes: Lanes

    def launch(self, step: Step) -> Tensor:
        """Run the step kernel by kernel."""

    def record(self, step: Step) -> Step:
        """What does the same as the step, faster; recording it changes nothing. Raises what torch raises."""


class EachKernel:
    """No record: each kernel is launched by itself."""

    lanes: Lanes = staticmethod(in_turn)

    def launch(self, step: Step) -> Tensor:
        """See Recorder."""
        return step()

    def record(self, step: Step) -> Step:
        """See Recorder."""
        return step


class CudaGraphs:
    """By CUDA graphs, which share their memory: nothing in it outlives a replay but the figures, which are copied.

    lanes: streams, as many as the process has parts, if side_by_side; else the parts follow one another.
    """

    def __init__(self, device: torch.device, parts: int, side_by_side: bool) -> None:
        self.lanes: Lanes = Streams(parts, device) if side_by_side else in_turn
        # Gradients of G's parts meet on the stream of the first one, as torch sees to; it need not warn of that.
        if warns := getattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch", None):
            warns(False)
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def launch(self, step: Step) -> Tensor:
        """See Recorder. On the stream of the record, as torch asks for a warm-up."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            figures = step()
        current.wait_stream(self._stream)
        return figures

    def record(self, step: Step) -> Step:
        """See Recorder."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                figures = step()
        finally:
            torch.cuda.set_stream(current)  # which torch leaves out where a record is broken off

        def replay() -> Tensor:
            graph.replay()
            return figures

        return replay


@dataclass
class Kind:
    """The steps of one signature: static row and inputs, how many were launched, and their record once there is one."""

    row: Tensor
    inputs: StepInputs
    launched: int = 0
    recorded: Step | None = None


class StaticStep:
    """The steps of a trainer on static tensors, recorded if the recorder does so.

    may_fail: whether a step that cannot be recorded is launched kernel by kernel instead, with a word on stderr.
    """

    def __init__(self, trainer: Trainer, recorder: Recorder, may_fail: bool = True) -> None:
        self.trainer, self.recorder, self._may_fail = trainer, recorder, may_fail
        device = trainer.images.device
        trainer.check.wait(device)
        trainer.lanes = recorder.lanes
        if device.type == "cuda":
            count_on_device(trainer.opt_g)
            count_on_device(trainer.opt_d)
        self._ahead = DrawnAhead(trainer.inputs, trainer.settings.total_steps, device)
        self._kinds: dict[Signature, Kind] = {}

    def __call__(self, step: int) -> Tensor:
        """As Trainer.step: train on the batches of that step."""
        drawn, row = self._ahead.take(step)
        kind = self._kinds.get(drawn.signature)
        if kind is None:
            static = torch.empty_like(row)
            kind = self._kinds[drawn.signature] = Kind(static, drawn.with_tensors(of_row(static, drawn.tensors)))
        kind.row.copy_(row)
        figures = self._run(kind, step)
        self.trainer.team.agree_alone()
        self._ahead.draw_one()
        return figures

    def forget(self) -> None:
        """Record anew: the trainer's state lies elsewhere, because it was loaded."""
        self._kinds.clear()

    def _run(self, kind: Kind, step: int) -> Tensor:
        def whole() -> Tensor:
            return self.trainer.step(step, kind.inputs)

        if kind.recorded is None and kind.launched < WARM_UP_STEPS:
            kind.launched += 1
            return self.recorder.launch(whole)
        if kind.recorded is None:
            kind.recorded = self._recorded(whole)
        return kind.recorded().clone()

    def _recorded(self, whole: Step) -> Step:
        try:
            return self.recorder.record(whole)
        except RuntimeError as error:
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            if not self._may_fail:
                raise UserError(
                    f"GAN_CUDA_GRAPH is 1, but the step cannot be a CUDA graph ({reason[:120]}): unset it"
                ) from None
            slower = "each kernel is launched by itself, which is slower"
            print(f"the step cannot be a CUDA graph ({reason[:120]}): {slower}", file=sys.stderr, flush=True)
            self.recorder = EachKernel()
            self.trainer.lanes = self.recorder.lanes
            return self.recorder.record(whole)


def static_step(trainer: Trainer, wanted: bool | None) -> StaticStep | None:
    """How a trainer on a CUDA GPU is to step; None elsewhere: by Trainer.step.

    wanted: whether as a graph; None: if that is possible. Processes that share a batch agree on each update through the
    CPU, so that theirs is none. Raises UserError where a graph is wanted of them; the steps raise it if one cannot be
    recorded.
    """
    device, team = trainer.images.device, trainer.team
    if device.type != "cuda":
        return None
    if wanted and team.size > 1:
        raise UserError(
            f"GAN_CUDA_GRAPH is 1, but {team.size} processes share a batch and have no CUDA graph: unset it"
        )
    if wanted is False or team.size > 1:
        return StaticStep(trainer, EachKernel())
    # The parts of a batch share D: side by side, none may write to its buffers.
    side_by_side = not any(True for _ in trainer.D.buffers())
    return StaticStep(trainer, CudaGraphs(device, len(team.parts), side_by_side), may_fail=wanted is None)
