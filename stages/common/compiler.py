"""torch's compiler, loaded by nobody who does not compile: it takes seconds of every process's start."""

import importlib
import sys
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"


class _PutOff(ModuleType):
    """In a module's place until someone asks for more of it than what means nothing unless something is compiled."""

    def __init__(self, name: str, **without_meaning: Any) -> None:
        super().__init__(name)
        vars(self).update(without_meaning)

    def __getattr__(self, name: str) -> Any:
        if name != "__path__" and name.startswith("__"):
            raise AttributeError(name)  # asked of every module by those who look through all that are loaded
        if isinstance(sys.modules.get(COMPILER), _PutOff):
            del sys.modules[COMPILER]
        return getattr(importlib.import_module(self.__name__), name)


def put_off() -> None:
    """Have torch load its compiler only when something is compiled. Changes no result.

    torch loads it to mark what it shall leave alone, such as the steps of optimisers and functions on tensors without
    numbers, and tells it of a group of processes if it is there.
    """
    if COMPILER not in sys.modules:
        trace_rules = _PutOff(f"{COMPILER}.trace_rules", clear_lru_cache=_nothing)
        sys.modules[COMPILER] = _PutOff(COMPILER, disable=_unmarked, graph_break=_nothing, trace_rules=trace_rules)


def _unmarked(function: Any, *_arguments: object, **_options: object) -> Any:
    return function


def _nothing(*_arguments: object, **_options: object) -> None:
    pass
