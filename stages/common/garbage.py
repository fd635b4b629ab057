"""Python's collector of garbage, kept from looking through what stays: seconds at the start and end of a stage.

torch and its like make a million objects when they are loaded, none of which is garbage. Python would look through all
of them again and again while they load, once more when the process ends, and now and then in between.
"""

import atexit
import gc
import sys
from pathlib import Path

STAGES = Path(__file__).resolve().parents[1]
WHILE_LOADING = (50_000, 50, 50)
"""Rarely, in place of after each 700 new objects."""
COMPLAINS = "triton"
"""Its C++ binding prints what was not collected when the process ends, as if that were a mistake."""
_usual = gc.get_threshold()


def put_off() -> None:
    """Collect rarely until `as_usual` is called, and nothing at the end, when all memory is given back anyway.

    In a stage and its helpers alone: a program that imports modules of the project may make garbage while it does.
    """
    if _runs_a_stage():
        gc.set_threshold(*WHILE_LOADING)
        atexit.register(_at_the_end)


def as_usual() -> None:
    """Collect as Python does, but for what is loaded by now: the first time that it is called after `put_off`."""
    if gc.get_threshold() == WHILE_LOADING:
        gc.freeze()
        gc.set_threshold(*_usual)


def _runs_a_stage() -> bool:
    """Also in a process that multiprocessing starts for a stage: it has the arguments of that."""
    is_module = "-m" in sys.orig_argv[:-1]
    module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if is_module else ""
    program = Path(sys.argv[0] if sys.argv else "")
    return module.startswith("stages.") or program.resolve().parent == STAGES


def _at_the_end() -> None:
    if COMPLAINS in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()
