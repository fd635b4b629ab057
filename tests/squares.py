"""A task for tests of shared work, in a module of its own: processes that help import little."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from stages.common.errors import UserError


@dataclass(frozen=True)
class Squares:
    """Says which process computed a square; refuses 13."""

    def prepare(self) -> Callable[[int], tuple[int, int]]:
        """The square of a number and the process; a later one may be ready first."""

        def square(number: int) -> tuple[int, int]:
            if number == 13:
                raise UserError("found 13")
            time.sleep(0.01 * (number % 3))
            return number**2, os.getpid()

        return square
