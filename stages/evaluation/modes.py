"""What the details say of the modes of stacked images, beside what a perfect generator would score."""

from pydantic import Field
from torch import Tensor

from stages.common.images import ImageSet
from stages.common.records import Record
from stages.evaluation.comparisons import Comparison
from stages.metrics.classes import class_histogram
from stages.metrics.modes import uniform_reverse_kl


class ChannelClass(Record):
    """How many samples have that class in that channel, as `3, channel 1`."""

    name: str = Field(alias="class")
    recognised: int


class ModeDetails(Record):
    """num_modes: how many there are; lost: the names of those that no sample is recognised as; channels: by channel.

    uniform_reverse_kl: what reverse_kl is in the mean for as many samples whose modes are equally probable: not 0. The
    floor lies above it where real digits are not equally frequent.
    """

    num_modes: int
    num_images: int
    uniform_reverse_kl: float
    lost: list[str]
    channels: list[ChannelClass]


def mode_details(stacks: ImageSet, samples: Comparison) -> ModeDetails:
    """Those of the samples. stacks: real ones, which have the names of modes and classes."""
    recognised, names = samples.candidate.recognised, stacks.classes
    counts = class_histogram(recognised, len(names)).tolist()
    return ModeDetails(
        num_modes=len(names),
        num_images=len(recognised),
        uniform_reverse_kl=uniform_reverse_kl(len(names), len(recognised)),
        lost=[name for name, count in zip(names, counts, strict=True) if not count],
        channels=_by_channel(recognised, stacks.singles or [], stacks.image_shape[0]),
    )


def _by_channel(recognised: Tensor, singles: list[str], channels: int) -> list[ChannelClass]:
    """Of each channel how many samples have each class; recognised: modes int64 [N]."""
    counts = []
    for channel in range(channels):
        classes = recognised // len(singles) ** (channels - 1 - channel) % len(singles)
        histogram = class_histogram(classes, len(singles)).tolist()
        counts += [
            ChannelClass(name=f"{name}, channel {channel + 1}", recognised=count)
            for name, count in zip(singles, histogram, strict=True)
        ]
    return counts
