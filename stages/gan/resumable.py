"""Whether a state that claims to be a training's can be taken up: checked in full before anything changes."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from stages.common.shown import printable
from stages.gan.optimizers import OPTIMIZERS, optimizer_state
from stages.gan.settings import Settings
from stages.gan.signs import STATE, STATE_LENGTH
from stages.gan.trainer import FIGURES, Trainer

Kind = tuple[torch.dtype, tuple[int, ...]]
"""Of a tensor: dtype and shape."""


def require_steps(meta: dict[str, Any], total_steps: int) -> int:
    """The number of steps after which the state is. Raises ValueError if no such number is there."""
    steps_done = meta.get("steps_done")
    if type(steps_done) is not int or not 0 < steps_done <= total_steps:
        raise ValueError(f"steps_done is {printable(repr(steps_done)[:80])}, expected 1 to {total_steps}")
    return steps_done


def require_state(trainer: Trainer, tensors: dict[str, Tensor], steps_done: int) -> None:
    """Raise ValueError, in one line, for tensors that `trainer` cannot have after that number of steps."""
    expected = state_kinds(trainer, steps_done)
    actual = {name: kind(tensor) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | actual.keys()):
        if actual.get(name) != expected.get(name):
            found, due = (_described(kinds.get(name)) for kinds in (actual, expected))
            raise ValueError(f"tensor {printable(name)}: expected {due}, found {found}")
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"tensor {name} is not finite")
        taken = steps_done * (trainer.settings.d_steps if name.startswith("opt_d.") else 1)
        if name.startswith("opt_") and name.endswith(".step") and tensor.item() != taken:
            raise ValueError(f"tensor {name}: expected {taken} steps, found {tensor.item():g}")


def state_kinds(trainer: Trainer, steps_done: int) -> dict[str, Kind]:
    """The kind of each tensor of a training after that number of steps, at least one."""
    kinds = {name: kind(tensor) for name, tensor in trainer.state().items() if not name.startswith("opt_")}
    for name, optimizer in (("opt_g", trainer.opt_g), ("opt_d", trainer.opt_d)):
        parameters = optimizer.param_groups[0]["params"]
        kinds |= {f"{name}.{key}": value for key, value in _optimizer_kinds(trainer.settings, parameters).items()}
    waiting = steps_done % trainer.settings.history_steps
    kinds["history.waiting"] = torch.float32, (waiting, len(FIGURES))
    kinds[STATE] = torch.float64, (STATE_LENGTH,)
    return kinds


def kind(tensor: Tensor) -> Kind:
    """A tensor's dtype and shape."""
    return tensor.dtype, tuple(tensor.shape)


def _optimizer_kinds(settings: Settings, parameters: list[Parameter]) -> dict[str, Kind]:
    """What the optimiser keeps of each parameter, as a step on another parameter shows."""
    probe = Parameter(torch.zeros(2, 3))
    probe.grad = torch.zeros_like(probe)
    optimizer = OPTIMIZERS[settings.optimizer]([probe], settings.lr_g, (settings.betas[0], settings.betas[1]))
    optimizer.step()
    kept = {name.partition(".")[2]: tensor for name, tensor in optimizer_state(optimizer).items()}
    return {
        f"{index}.{key}": kind(parameter if tensor.shape == probe.shape else tensor)
        for index, parameter in enumerate(parameters)
        for key, tensor in kept.items()
    }


def _described(value: Kind | None) -> str:
    return f"{str(value[0]).removeprefix('torch.')} {list(value[1])}" if value else "none"
