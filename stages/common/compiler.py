"""torch's compiler, spared where torch loads it, which takes seconds, only to mark what it shall leave alone.

Nothing here is compiled. What somebody's own network compiles loads it as ever.
"""

import inspect
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch.optim import Optimizer

COMPILER = "torch._dynamo"
MARKED = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
"""Methods of an optimiser that torch wraps in such a mark."""
Opt = TypeVar("Opt", bound=Optimizer)
R = TypeVar("R")


@cache
def uncompiled(kind: type[Opt]) -> type[Opt]:
    """A class of the same optimiser, which computes the same, with its methods as they are below torch's marks."""
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in MARKED}
    # What the mark of `step` does besides: it computes without a graph, but for optimisers that are differentiated.
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


def spared(attempt: Callable[[], R]) -> R:
    """What the attempt returns or raises; it is made again, with the compiler, if it needs more than torch's own marks.

    torch marks its functions on tensors without numbers (the meta device) when they are first called.
    """
    if COMPILER in sys.modules:
        return attempt()
    sys.modules[COMPILER] = stand_in = _StandIn(COMPILER)
    try:
        return attempt()
    except _CompilerNeededError:
        pass
    finally:
        if sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]
    return attempt()


class _CompilerNeededError(BaseException):
    """Not an Exception, for nobody on the way is to explain it."""


class _StandIn(ModuleType):
    """In the compiler's place, for torch's marks alone."""

    @staticmethod
    def disable(function: Any, *_arguments: object, wrapping: bool = True, **_options: object) -> Any:
        if wrapping:  # torch marks its own functions without
            raise _CompilerNeededError
        return function

    def __getattr__(self, name: str) -> Any:
        raise _CompilerNeededError
