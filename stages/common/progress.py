"""How far a long loop is, on stderr alone: a bar on a terminal, elsewhere a line every half minute.

GAN_PROGRESS switches it (runtime.py). Nothing of it reaches stdout or a file under data/.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Lock
from typing import NoReturn, TypeVar

from tqdm import tqdm

from stages.common.runtime import progress_lines, show_progress

T = TypeVar("T")
LINE_S = 30.0
"""Seconds between two lines, and before the first."""
LARGE = 10_000
"""Beyond it a bar counts in thousands."""
BAR_DELAY_S = 1.0
"""Seconds before a bar appears: short loops show none."""


class Interval:
    """Whether it is time for the next line. All loops of a process share one: many short ones are not silent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last = clock, clock()

    def now(self) -> float:
        """The clock's time in seconds."""
        return self._clock()

    def is_over(self) -> bool:
        """Whether LINE_S seconds have passed since this last was true, or since the start."""
        now = self._clock()
        if now - self._last < LINE_S:
            return False
        self._last = now
        return True


_INTERVAL = Interval()
_NESTED = ContextVar("nested", default=False)


@contextmanager
def nested() -> Iterator[None]:
    """What this block computes is part of a longer loop, which shows how far it is: shorter ones show nothing."""
    token = _NESTED.set(True)
    try:
        yield
    finally:
        _NESTED.reset(token)


class Progress:
    """What has been done of a total. `advance` may be called by several threads.

    done: at the start, by an earlier run; is_hidden: show nothing, as processes beside the first do.
    """

    def __init__(self, description: str, total: int, unit: str, done: int = 0, is_hidden: bool = False) -> None:
        self.description, self.total, self.unit, self.done = description, total, unit, done
        self._at_start, self._started = done, _INTERVAL.now()
        is_hidden = is_hidden or _NESTED.get()
        self._lock = Lock()
        self._bar = self._new_bar() if show_progress() and not is_hidden else None
        self._lines = progress_lines() and not is_hidden

    def _new_bar(self) -> "tqdm[NoReturn]":
        return tqdm(
            desc=self.description,
            total=self.total,
            initial=self.done,
            unit=f" {self.unit}s",
            unit_scale=self.total > LARGE,
            delay=BAR_DELAY_S,
            leave=False,
        )

    def advance(self, count: int = 1) -> None:
        """Count what was done since the last call."""
        with self._lock:
            self.done += count
            if self._bar is not None:
                self._bar.update(count)
            elif self._lines and _INTERVAL.is_over():
                with suppress(OSError, ValueError):  # a stderr that is closed stops no run
                    print(self._line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        rate = (self.done - self._at_start) / max(_INTERVAL.now() - self._started, 1e-9)
        pace = f", {rate:,.0f} {self.unit}s/s" if rate >= 10 else f", {rate:.2g} {self.unit}s/s" if rate else ""
        left = f", about {duration((self.total - self.done) / rate)} left" if rate and self.done < self.total else ""
        return f"{self.description}: {self.done:,} of {self.total:,} {self.unit}s{pace}{left}"

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """A time as a person says it, to two digits at most: 40 s, 3 min, 2.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"


@contextmanager
def progress(description: str, total: int, unit: str, done: int = 0, is_hidden: bool = False) -> Iterator[Progress]:
    """Progress of a block of code that calls `advance`. unit: of the total, in the singular; others: see Progress."""
    counter = Progress(description, total, unit, done, is_hidden)
    try:
        yield counter
    finally:
        counter.close()


def counted(items: Iterable[T], description: str, total: int, unit: str) -> Iterator[T]:
    """The items, each of which counts as done when the next one is asked for."""
    with progress(description, total, unit) as counter:
        for item in items:
            yield item
            counter.advance()
