"""Time to a multiple of the floor: from the times of the snapshots and the distances that track measures."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MULTIPLES = (5.0, 2.0, 1.1)
"""Of the floor of track: the distance between two halves of the validation digits."""


@dataclass(frozen=True)
class Point:
    """A snapshot: thousands of images shown, seconds from the start, and distance to the validation digits."""

    kimg: float
    seconds: float
    distance: float


@dataclass(frozen=True)
class Curve:
    """One training: its snapshots in order, the floor, seconds to the end, and how many processes trained.

    A training that went wrong has no points, and floor is NaN.
    """

    points: Sequence[Point]
    floor: float
    end: float
    processes: int

    def reached(self, multiple: float) -> Point | None:
        """The first snapshot whose distance is at most that multiple of the floor; None if there is none.

        Nothing is interpolated: between two snapshots, the later one counts.
        """
        return next((point for point in self.points if point.distance <= multiple * self.floor), None)

    def seconds_to(self, multiple: float) -> float:
        """Seconds to that snapshot, infinite if the multiple was never reached."""
        point = self.reached(multiple)
        return math.inf if point is None else point.seconds

    @property
    def last_ratio(self) -> float:
        """The last snapshot's distance as a multiple of the floor, of a training that has points."""
        return self.points[-1].distance / self.floor


def median_seconds(curves: Sequence[Curve], multiple: float) -> float:
    """Median over the seeds, of which one that never came there counts as infinite."""
    return statistics.median(curve.seconds_to(multiple) for curve in curves)
