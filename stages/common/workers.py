"""Long work by several processes, in order: results do not depend on their number, and memory not on the work's length.

A task is what a process needs to begin (paths and settings: it travels between processes) and makes the function that
computes one item. The process that asked has the results in the order of the items, a few at a time.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.progress import nested
from stages.common.runtime import make_deterministic, processes

Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)
AHEAD = 3
"""Items that wait for each process, or whose results wait to be used: so many results are in memory at once."""
LEAST_ITEMS = 50
"""Of a process: fewer take less time than the seconds in which it starts."""


class Task(Protocol[Item_contra, Result_co]):
    """What a process needs to begin."""

    def prepare(self) -> Callable[[Item_contra], Result_co]:
        """The function that computes an item; called once in each process."""


def processes_for(items: Sized) -> int:
    """How many processes are worth starting: at most GAN_PROCESSES or, where that is not set, one a core."""
    return max(1, min(processes() or available_cores(), len(items) // LEAST_ITEMS))


def in_order(
    task: Task[Item_contra, Result_co], items: Iterable[Item_contra], count: int
) -> Generator[Result_co, None, None]:
    """The result of each item, in the order of the items, computed by `count` processes; by this one if count is 1.

    The processes end with the generator: close it, if not all results are taken. Raises what an item's computation
    raises, and UserError if a process was ended from outside.
    """
    if count == 1:
        compute = _Once(task)
        yield from map(compute, items)
        return
    waiting: deque[Future[Result_co]] = deque()
    with _pool(count) as pool:
        for item in items:
            with _no_interrupts():  # nor in a process that this starts
                waiting.append(pool.submit(_compute, task, item))
            if len(waiting) > AHEAD * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Once(Generic[Item_contra, Result_co]):
    """The function of a task, made when the first item needs it: what it raises belongs to that item."""

    def __init__(self, task: Task[Item_contra, Result_co]) -> None:
        self._prepare = cache(task.prepare)

    def __call__(self, item: Item_contra) -> Result_co:
        with nested():
            return self._prepare()(item)


_PREPARED: dict[str, Any] = {}
"""In a process that helps: its task, and the function."""


def _compute(task: Task[Item_contra, Result_co], item: Item_contra) -> Result_co:
    if _PREPARED.get("task") != task:
        if "torch" in sys.modules:  # of which the task's module has need
            make_deterministic()
        _PREPARED.update(task=task, function=_Once(task))
    result: Result_co = _PREPARED["function"](item)
    return result


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError(
            "a process that shared the work was ended from outside, as Linux does when memory runs out: set a smaller "
            "GAN_PROCESSES, or end other programs"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)  # what an error or an interrupt leaves over is not computed


def _begin() -> None:
    """Do not outlive the process that asked for the work."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal; a process that starts in this block never hears of it.

    The one that asked for the work does, when the block has ended, and ends the others.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
