"""What is compared: the samples with the test digits, real digits in their place, and halves of the test digits."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from stages.evaluation.embedded import Embedded
from stages.metrics import neighbours
from stages.metrics.memorisation import CopyTest, three_sample_test
from stages.metrics.resampling import halved

MIN_IMAGES = 3
"""What the standard error of kd_classifier needs; the other metrics need fewer."""


@dataclass(frozen=True)
class Comparison:
    """A candidate set against the reference: samples, or for the floor real digits in their place."""

    reference: Embedded
    candidate: Embedded
    num_classes: int
    k: int
    """Which nearest neighbour the balls of precision, recall, density and coverage reach to."""
    seed: int = 0
    """Of the order in which fd_infinity splits the candidates."""

    @property
    def features(self) -> tuple[Tensor, Tensor]:
        """Features of the reference [N, F] and of the candidates [M, F]."""
        return self.reference.features, self.candidate.features

    @cached_property
    def neighbourhoods(self) -> neighbours.Neighbourhoods:
        """The costly part that four metrics share."""
        return neighbours.neighbourhoods(*self.features, self.k, known_radii=self.reference.radii)

    @cached_property
    def copy_test(self) -> CopyTest | None:
        """C_T with the recognised classes as cells; None without training digits, or with too few in every class."""
        reference, candidate = self.reference, self.candidate
        if reference.closeness is None or candidate.closeness is None:
            return None
        return three_sample_test(
            candidate.closeness, reference.closeness, candidate.recognised, reference.recognised, self.num_classes
        )


@dataclass(frozen=True)
class Comparisons:
    """The samples against the test digits; validation digits against them, the floor; one half of them to the other.

    halves: None if they would be too few.
    """

    samples: Comparison
    floor: Comparison
    halves: Comparison | None


def compare(sets: dict[str, Embedded], num_classes: int, k: int, seed: int) -> Comparisons:
    """The comparisons of the sets test, validation and samples; the last two have one length."""
    test = sets["test"]
    half, other = (test.select(rows) for rows in halved(seed, len(test.features)))
    return Comparisons(
        samples=Comparison(test, sets["samples"], num_classes, k, seed),
        floor=Comparison(test, sets["validation"], num_classes, k, seed),
        halves=Comparison(half, other, num_classes, k, seed) if len(other.features) >= least_images(k) else None,
    )


def least_images(k: int) -> int:
    """How many images of each set the metrics need."""
    return max(k + 1, MIN_IMAGES)
