"""How far a long loop is, on stderr alone: a bar on a terminal, elsewhere a line every half minute.

GAN_PROGRESS switches it (runtime.py). Nothing of it reaches stdout or a file under data/.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TypeVar

from tqdm import tqdm

from stages.common.runtime import progress_lines, show_progress

T = TypeVar("T")
LINE_S = 30.0
"""Seconds between two lines, and before the first."""
BAR_DELAY_S = 1.0
"""Seconds before a bar appears: short loops show none."""


class Interval:
    """Whether it is time for the next line. All loops of a process share one: many short ones are not silent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last = clock, clock()

    def is_over(self) -> bool:
        """Whether LINE_S seconds have passed since this last was true, or since the start."""
        now = self._clock()
        if now - self._last < LINE_S:
            return False
        self._last = now
        return True


_INTERVAL = Interval()


class Progress:
    """What has been done of a total. `advance` may be called by several threads."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        self.description, self.total, self.unit, self.done = description, total, unit, 0
        self._lock = Lock()
        self._bar = (
            tqdm(total=total, desc=description, unit=unit, delay=BAR_DELAY_S, leave=False) if show_progress() else None
        )
        self._lines = progress_lines()

    def advance(self, count: int = 1) -> None:
        """Count what was done since the last call."""
        with self._lock:
            self.done += count
            if self._bar is not None:
                self._bar.update(count)
            elif self._lines and _INTERVAL.is_over():
                line = f"{self.description}: {self.done:,} of {self.total:,} {self.unit}s"
                with suppress(OSError, ValueError):  # a stderr that is closed stops no run
                    print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(description: str, total: int, unit: str) -> Iterator[Progress]:
    """Progress of a block of code that calls `advance`. unit: of the total, in the singular."""
    counter = Progress(description, total, unit)
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
