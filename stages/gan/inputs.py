"""What a step depends on besides the state: what is drawn for its batches, and the numbers that schedules give.

All of it is a function of seed, purpose and index. On the CPU it is drawn as it is needed. For a GPU it is drawn ahead,
a block of steps at a time, and travels in one copy; each step then takes its row of the block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from stages.gan import schedules
from stages.gan.batches import BatchDraws, Batches
from stages.gan.ema import ema_decay
from stages.gan.penalty_terms import DuePenalty, penalties_due
from stages.gan.settings import Settings

Number = float | Tensor
"""A number that a schedule gives, or a float64 tensor [] that holds it."""
BLOCK_STEPS, BLOCK_BYTES = 32, 2**26
"""Steps that are drawn ahead, many for one copy; fewer where their draws are large."""
ALIGNED = 16
"""Bytes: where in a row a tensor may begin."""
Signature = tuple[object, ...]
"""Which penalties are due, and kinds and shapes of all tensors: what one record of kernels stands for."""


@dataclass(frozen=True)
class Factors:
    """Learning rates of G and D, the weight of the old average of G, and the factor of all penalties."""

    lr_g: Number
    lr_d: Number
    ema_decay: Number
    penalty: Number


@dataclass(frozen=True)
class StepInputs:
    """What is drawn for each batch of D, the penalties that are due on it, and the factors of this step."""

    batches: Sequence[BatchDraws]
    due: Sequence[Sequence[DuePenalty]]
    factors: Factors

    @property
    def tensors(self) -> list[Tensor]:
        """All that changes from step to step, in one order: draws, then the factors as float64 [4]."""
        numbers = [getattr(self.factors, field.name) for field in fields(Factors)]
        drawn = [tensor for batch in self.batches for tensor in batch.tensors]
        return [*drawn, torch.tensor(numbers, dtype=torch.float64)]

    @property
    def signature(self) -> Signature:
        """What all steps have in common that differ in values alone."""
        names = tuple(tuple(penalty.penalty for penalty in due) for due in self.due)
        return names, *((tensor.dtype, tuple(tensor.shape)) for tensor in self.tensors)

    def with_tensors(self, tensors: Sequence[Tensor]) -> "StepInputs":
        """The same step with other tensors, in the order of `tensors`; factors are then views of the last one."""
        per_batch = len(fields(BatchDraws))
        batches = [BatchDraws(*tensors[i * per_batch : (i + 1) * per_batch]) for i in range(len(self.batches))]
        factors = Factors(*tensors[-1].unbind())
        due = [[replace(penalty, factor=factors.penalty) for penalty in penalties] for penalties in self.due]
        return StepInputs(batches, due, factors)

    def on(self, device: torch.device) -> "StepInputs":
        """The same with its draws on the device; factors stay as they are."""
        if device.type == "cpu":
            return self
        return replace(self, batches=[BatchDraws(*(t.to(device) for t in batch.tensors)) for batch in self.batches])


def step_inputs(batches: Batches, settings: Settings, step: int) -> StepInputs:
    """What that step (0 is the first) depends on, on the CPU."""
    numbers = range(step * settings.d_steps, (step + 1) * settings.d_steps)
    due = [penalties_due(settings, number) for number in numbers]
    drawn = [batches.draws(number, penalties) for number, penalties in zip(numbers, due, strict=True)]
    lr, shown = schedules.learning_rate_factor(settings, step), settings.kimg_shown(1)
    factors = Factors(
        lr_g=settings.lr_g * lr,
        lr_d=settings.lr_d * lr,
        ema_decay=ema_decay(shown, step * shown, schedules.ema_halflife_kimg(settings, step)),
        penalty=schedules.penalty_factor(settings, step),
    )
    return StepInputs(drawn, due, factors)


def as_row(tensors: Sequence[Tensor]) -> Tensor:
    """The bytes of all tensors, one after the other, as uint8 [N] on the CPU."""
    pieces = []
    for tensor in tensors:
        content = tensor.contiguous().view(-1).view(torch.uint8)
        pieces += [content, content.new_zeros(-len(content) % ALIGNED)]
    return torch.cat(pieces)


def of_row(row: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Views of a row's bytes with the dtypes and shapes of `like`: the inverse of as_row."""
    start, views = 0, []
    for tensor in like:
        size = tensor.numel() * tensor.element_size()
        views.append(row[start : start + size].view(tensor.dtype).view(tensor.shape))
        start += size + -size % ALIGNED
    return views


class DrawnAhead:
    """Inputs of a training's steps as rows on the device; those of the next block are drawn meanwhile, one at a time.

    draw: the inputs of a step, on the CPU; total: the number of steps.
    """

    def __init__(self, draw: Callable[[int], StepInputs], total: int, device: torch.device) -> None:
        self._draw, self._total, self._device = draw, total, device
        self._here: dict[int, tuple[StepInputs, Tensor]] = {}
        self._next: list[tuple[int, StepInputs, Tensor]] = []

    def take(self, step: int) -> tuple[StepInputs, Tensor]:
        """The inputs of that step as they were drawn, and as a row on the device."""
        if step not in self._here:
            if not self._next or self._next[0][0] != step:
                self._next = []
            while not self._is_full() and self._draw_one(step, max(self._total, step + 1)):
                pass
            self._send()
        return self._here.pop(step)

    def draw_one(self) -> None:
        """Draw the inputs of one step more, while the device computes."""
        if self._here and not self._is_full():
            self._draw_one(max(self._here) + 1, self._total)

    def _is_full(self) -> bool:
        """Whether the next block has as many steps, or as many bytes, as go into one."""
        return len(self._next) >= BLOCK_STEPS or sum(len(row) for _, _, row in self._next) >= BLOCK_BYTES

    def _draw_one(self, first: int, end: int) -> bool:
        """Draw the next step of the block that begins at `first`, unless it is `end`. Returns whether it was drawn."""
        step = first + len(self._next)
        if step >= end:
            return False
        drawn = self._draw(step)
        self._next.append((step, drawn, as_row(drawn.tensors)))
        return True

    def _send(self) -> None:
        """The next block is the one on the device from here on: one copy, which nobody waits for."""
        block = torch.cat([row for _, _, row in self._next])
        if self._device.type == "cuda":
            block = block.pin_memory()
        rows = block.to(self._device, non_blocking=True).split([len(row) for _, _, row in self._next])
        self._here = {step: (drawn, row) for (step, drawn, _), row in zip(self._next, rows, strict=True)}
        self._next = []
