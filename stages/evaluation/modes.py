"""What the details say of the modes of stacked images, beside what a perfect generator would score."""

from stages.common.records import Record
from stages.evaluation.comparisons import Comparison
from stages.metrics.classes import class_histogram
from stages.metrics.modes import uniform_reverse_kl


class ModeDetails(Record):
    """num_modes: how many there are; lost: the names of those that no sample is recognised as.

    uniform_reverse_kl: what reverse_kl is in the mean for as many samples whose modes are equally probable: not 0. The
    floor lies above it where real digits are not equally frequent.
    """

    num_modes: int
    num_images: int
    uniform_reverse_kl: float
    lost: list[str]


def mode_details(names: list[str], samples: Comparison) -> ModeDetails:
    """Those of the samples. names: of the modes."""
    recognised = samples.candidate.recognised
    counts = class_histogram(recognised, len(names)).tolist()
    return ModeDetails(
        num_modes=len(names),
        num_images=len(recognised),
        uniform_reverse_kl=uniform_reverse_kl(len(names), len(recognised)),
        lost=[name for name, count in zip(names, counts, strict=True) if not count],
    )
