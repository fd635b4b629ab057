"""How sure a figure is: the influence of each image on it, its standard error, and intervals from resampling.

The influence of an image is the change of the figure with that image's weight. Images are drawn again with
replacement (bootstrap, Efron 1979), and the figure is moved by the influences of those drawn. For a mean over images
(precision, recall, density, coverage, accuracy, authenticity) that is the bootstrap itself; for other figures (fd,
kd, class_imbalance) it is the bootstrap of their linear part, which has the spread of the infinitesimal jackknife
(Jaeckel 1972). To draw rows and compute anew would be costly and wrong: repeated rows add to the bias of fd, and lie
at distance 0.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stages.common import draws

RESAMPLES = 1000
AT_ONCE = 2**24
"""Counts of images held at once as float64: 128 MiB. The others are held as int16."""
LEVEL = 0.95
"""How often an interval is to hold the ratio."""


@dataclass(frozen=True)
class Influences:
    """Influences, float64 with mean 0: of candidates [M], of references [N]; None where the figure ignores that draw.

    Drawing image i counts[i] times moves the figure by the mean of counts * influences, over each set.
    """

    candidate: Tensor | None = None
    reference: Tensor | None = None

    @property
    def standard_error(self) -> float:
        """Of a figure whose images are independent draws."""
        sets = [influences for influences in (self.candidate, self.reference) if influences is not None]
        return math.sqrt(sum(each.square().sum().item() / (len(each) * (len(each) - 1)) for each in sets))


@dataclass(frozen=True)
class Estimate:
    """A figure and the influences on it."""

    value: float
    influences: Influences

    @property
    def standard_error(self) -> float:
        """Of the figure, over draws of both sets."""
        return self.influences.standard_error


def centred(parts: Tensor) -> Tensor:
    """The influences [N] on a mean of parts [N], bool or numbers."""
    return parts.double() - parts.double().mean()


def mean_over_candidates(parts: Tensor) -> Estimate:
    """The mean of one part per candidate, bool or numbers [M]; of bools, a share of the candidates."""
    return Estimate(parts.double().mean().item(), Influences(candidate=centred(parts)))


def mean_over_references(parts: Tensor) -> Estimate:
    """The mean of one part per reference, bool or numbers [N]; of bools, a share of the references."""
    return Estimate(parts.double().mean().item(), Influences(reference=centred(parts)))


@dataclass(frozen=True)
class Resampler:
    """The same draws for all figures: samples, validation digits and test digits are each resampled RESAMPLES times.

    A figure and its floor share the draws of the test digits, for both are measured against these. part: a name that
    gives a part of the images, such as one class, draws of its own.
    """

    seed: int
    part: str = ""
    _counts: dict[tuple[str, int], Tensor] = field(default_factory=dict)

    def ratio_interval(self, figure: Estimate, floor: Estimate, never_negative: bool = False) -> list[float | None]:
        """The middle LEVEL of the resampled figure / floor, from low to high; None for a bound that is not finite.

        A resampled floor that is not above 0 gives no ratio: it counts as an infinite one. never_negative: of the
        figure, so that a linear part that leads below 0 ends there.
        """
        figures = figure.value + self.changes("samples", figure.influences)
        if never_negative:
            figures = figures.clamp(min=0)
        floors = floor.value + self.changes("validation", floor.influences)
        ratios = torch.where(floors > 0, figures / floors, math.inf).sort().values
        tail = round(RESAMPLES * (1 - LEVEL) / 2)
        return [bound if math.isfinite(bound) else None for bound in ratios[[tail, -1 - tail]].tolist()]

    def changes(self, candidates: str, influences: Influences) -> Tensor:
        """By how much each resampling moves the figure, float64 [RESAMPLES]; `candidates` names the draw of these."""
        total = torch.zeros(RESAMPLES, dtype=torch.float64)
        for name, each in ((candidates, influences.candidate), ("test", influences.reference)):
            if each is not None:
                counts = self.counts(name, len(each)).split(_rows_at_once(len(each)))
                total += torch.cat([rows.double() @ each for rows in counts]) / len(each)
        return total

    def counts(self, name: str, n: int) -> Tensor:
        """How often each of n images is drawn in each resampling, int16 [RESAMPLES, n]; rows sum to n."""
        if (name, n) not in self._counts:
            generator = draws.generator(self.seed, f"evaluate.resamples.{self.part}{name}")
            counts = torch.zeros(RESAMPLES, n, dtype=torch.int16)
            for rows in counts.split(_rows_at_once(n)):
                drawn = torch.from_numpy(generator.integers(n, size=rows.shape))
                rows.scatter_add_(1, drawn, torch.ones((), dtype=torch.int16).expand_as(drawn))
            self._counts[name, n] = counts
        return self._counts[name, n]


def _rows_at_once(n: int) -> int:
    return max(1, AT_ONCE // n)


def halved(seed: int, n: int) -> list[Tensor]:
    """The sorted row numbers int64 of a random split of n images into two halves; of an odd n the first has more."""
    return [half.sort().values for half in draws.permutation(seed, "evaluate.halves", 0, n).tensor_split(2)]
