"""Time to a multiple of the floor, from made-up curves."""

import math

import pytest

from tools.record.curve import Curve, Point, median_seconds

FLOOR = 2.0


def curve(*distances: float) -> Curve:
    """A snapshot every 10 kimg and 3 seconds."""
    points = [Point(10 * number, 3 * number, distance) for number, distance in enumerate(distances, start=1)]
    return Curve(points, FLOOR, 3 * len(points) + 1, processes=2)


def test_the_first_snapshot_at_or_below_the_multiple_counts() -> None:
    """Floor 2: 5 times is 10, 2 times is 4, 1.1 times is 2.2. No time is taken from between two snapshots."""
    falling = curve(50, 10, 5, 3.9, 2.2, 2.1)
    assert [falling.seconds_to(multiple) for multiple in (5, 2, 1.1)] == [6, 12, 15]
    reached = falling.reached(2)
    assert reached is not None
    assert (reached.kimg, reached.distance) == (40, 3.9)


def test_a_curve_that_rises_again_has_been_there() -> None:
    assert curve(3, 9, 2.5).seconds_to(2) == 3


def test_what_was_never_reached_takes_for_ever() -> None:
    assert curve(50, 11).reached(5) is None
    assert curve(50, 11).seconds_to(5) == math.inf


def test_smaller_multiples_never_come_sooner() -> None:
    falling = curve(30, 12, 9, 7, 3, 2.3, 2.0)
    times = [falling.seconds_to(multiple) for multiple in (5, 2, 1.1, 0.5)]
    assert times == sorted(times)


def test_the_median_over_seeds_counts_never_as_the_longest() -> None:
    fast, slow, never = curve(9), curve(50, 50, 9), curve(50)
    assert median_seconds([never, fast, slow], 5) == 9
    assert median_seconds([never, fast, never], 5) == math.inf


def test_the_last_ratio_is_that_of_the_end() -> None:
    assert curve(50, 3).last_ratio == pytest.approx(1.5)
