"""Two-sided prediction intervals by Student's t: where a further run should fall, given a few."""

import math
import statistics
from collections.abc import Sequence


def t_probability(t: float, degrees: int) -> float:
    """The probability that |T| < t, for Student's T with this number of degrees of freedom.

    The finite sums of Abramowitz and Stegun (1964), equations 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    sine, squared_cosine = math.sin(angle), math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = term if degrees > 1 else 0.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= (k - 1) / k * squared_cosine
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def t_quantile(probability: float, degrees: int) -> float:
    """The t for which |T| < t has this probability, which is in [0, 1)."""
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def reach(n: int, confidence: float) -> float:
    """Half the width of the interval below, in standard deviations of its n values."""
    return t_quantile(confidence, n - 1) * math.sqrt(1 + 1 / n)


def prediction_interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """The interval that holds a further draw from the same normal distribution with this confidence.

    values: at least two draws. mean -+ t s sqrt(1 + 1/n) covers the scatter of the new draw and of the mean.
    """
    mean, half = statistics.fmean(values), reach(len(values), confidence) * statistics.stdev(values)
    return mean - half, mean + half
