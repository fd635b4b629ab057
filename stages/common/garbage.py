"""Python's collector of garbage, kept from looking through what stays: seconds at the start and end of every process.

torch and its like make a million objects when they are loaded, none of which is garbage. Python would look through all
of them again and again while they load, once more when the process ends, and now and then in between.
"""

import atexit
import gc
import sys

WHILE_LOADING = (50_000, 50, 50)
"""Rarely, in place of after each 700 new objects."""
COMPLAINS = "triton"
"""Its C++ binding prints what was not collected when the process ends, as if that were a mistake."""
_usual = gc.get_threshold()


def put_off() -> None:
    """Collect rarely until `as_usual` is called, and nothing at the end, when all memory is given back anyway."""
    gc.set_threshold(*WHILE_LOADING)
    atexit.register(_at_the_end)


def as_usual() -> None:
    """Collect as Python does, but for what is loaded by now."""
    gc.freeze()
    gc.set_threshold(*_usual)


def _at_the_end() -> None:
    if COMPLAINS in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()
