"""A stand-in for CUDA graphs on the CPU: every operation of torch in a step is noted and replayed on the same memory.

Like a graph, a replay knows nothing of Python: a number that the step took from a tensor, or that Python computed anew
for each step, stays what it was in the record. Taking one from a tensor fails, as it does while a graph is recorded.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stages.gan.graph import Step
from stages.gan.lanes import Lanes, in_turn
from stages.gan.trainer import Trainer

Operation = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], list[Tensor]]


class AskedError(RuntimeError):
    """A step asked the device for a value."""


class Notes(TorchDispatchMode):
    """Notes all operations while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note what it made, if that lies in memory of its own."""
        if "_local_scalar_dense" in str(function) or "nonzero" in str(function):
            raise AskedError(f"operation would wait for the device: {function}")
        result = function(*args, **(kwargs or {}))
        known = {memory(tensor) for tensor in tensors_in((args, kwargs))}
        made = [tensor for tensor in tensors_in(result) if memory(tensor) not in known]
        self.operations.append((function, args, kwargs or {}, made))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Do all of it again, at the same places."""
        for function, args, kwargs, made in self.operations:
            anew = tensors_in(function(*args, **kwargs))
            if made:
                for tensor, value in zip(made, anew, strict=True):
                    tensor.detach().copy_(value)


class Replayed:
    """A recorder that replays notes. Recording runs the step, so that the trainer's tensors are put back afterwards."""

    lanes: Lanes = staticmethod(in_turn)

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.launched, self.records = trainer, 0, 0

    def launch(self, step: Step) -> Tensor:
        """Plainly."""
        self.launched += 1
        return step()

    def record(self, step: Step) -> Step:
        """By notes."""
        self.records += 1
        check = self.trainer.check
        state = [*self.trainer.state().values(), check._intact, check._good]
        before, notes = [tensor.clone() for tensor in state], Notes()
        try:
            with notes:
                figures = step()
        finally:
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)

        def replay() -> Tensor:
            notes.replay()
            return figures

        return replay


def tensors_in(tree: Any) -> list[Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def memory(tensor: Tensor) -> int:
    """Which memory it lies in; of an empty one, none."""
    return tensor.untyped_storage().data_ptr()
