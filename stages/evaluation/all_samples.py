"""Figures of all samples where they are more than one file: streamed, so that memory does not grow with their number.

Counts are whole numbers, and moments of features are merged by a fixed tree over chunks of samples: the figures are a
function of the samples alone, whatever the number of processes and wherever the files begin.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stages.classifier.model import classifier_from, finite_features, of_stacks, recognised_classes
from stages.common.files import read_tensors
from stages.common.images import NO_LABEL, ImageSet, to_float
from stages.common.progress import progress
from stages.common.records import Record, Undefined
from stages.common.runtime import processes
from stages.common.shards import SampleFiles, chunks_of, sample_files
from stages.common.workers import in_order, processes_for
from stages.evaluation.scores import NO_LABELS
from stages.metrics.classes import class_histogram
from stages.metrics.frechet import frechet_distance_of_moments, moments
from stages.metrics.merging import Moments, merged_in_order

STANDARD_NORMAL = 1.959963984540054
"""Where the middle 95 % of the standard normal distribution ends."""


class Share(Record):
    """So many of all; the share, and Wilson's interval for the probability behind it."""

    count: int
    value: float
    interval: list[float]


class OfClass(Record):
    """Samples of a class: asked for (0 where there are no labels), recognised, and both."""

    asked: int
    recognised: int
    recognised_as_asked: int


class ToTraining(Record):
    """fd_classifier of sets of images to all training digits, each set with all its images."""

    num_training: int
    samples: float
    num_test: int
    test: float


class AllSamples(Record):
    """Beside the figures at equal count. classes: none of stacks, whose modes are too many."""

    num_images: int
    gan_test_accuracy: Share | Undefined
    fd_classifier_to_training: ToTraining
    classes: dict[str, OfClass]
    in_plain_words: str


@dataclass(frozen=True)
class Counts:
    """Of samples: int64 [num_classes] each."""

    asked: Tensor
    recognised: Tensor
    as_asked: Tensor

    def plus(self, other: "Counts") -> "Counts":
        """Of the samples of both."""
        return Counts(self.asked + other.asked, self.recognised + other.recognised, self.as_asked + other.as_asked)


@dataclass(frozen=True)
class Looking:
    """What a process needs to see samples as the classifier does.

    channels: of stacks, how many; None for images that are no stacks. num_classes: of the samples.
    """

    files: SampleFiles
    classifier: Path
    channels: int | None
    num_classes: int

    def prepare(self) -> Callable[[range], tuple[Moments, Counts]]:
        """Makes moments and counts of the samples with these numbers."""
        tensors, meta = read_tensors(self.classifier)
        classifier = classifier_from(tensors, meta, str(self.classifier))
        classifier = classifier if self.channels is None else of_stacks(classifier, self.channels)

        def look(numbers: range) -> tuple[Moments, Counts]:
            levels, labels = self.files.read(numbers.start, len(numbers))
            features = finite_features(classifier, to_float(levels), self.classifier, threads=1)
            recognised = recognised_classes(classifier, features, self.classifier)
            return Moments.of(features), self._counts(labels, recognised)

        return look

    def _counts(self, labels: Tensor, recognised: Tensor) -> Counts:
        sets = labels[labels != NO_LABEL], recognised, recognised[labels == recognised]
        return Counts(*(class_histogram(each, self.num_classes) for each in sets))


def all_files(folder: Path, first: ImageSet) -> SampleFiles | None:
    """The files of all samples; None where they are one file.

    folder: of the samples; first: some of the first file. Raises UserError if files are missing or do not belong
    together, or for a wrong GAN_PROCESSES: all that would end look_at_all after the long work.
    """
    if files := sample_files(folder):
        files.require_alike(first)
        processes()
    return files


def look_at_all(
    files: SampleFiles, images: dict[str, ImageSet], classifier: Path, training: Tensor, test: Tensor
) -> AllSamples:
    """The figures of all samples.

    files: from all_files; images: the first samples and the test digits; classifier: its file; training, test:
    features [N, F] of digits.
    """
    first = images["samples"]
    channels = None if images["test"].singles is None else first.image_shape[0]
    moments_of_all, counts = streamed(Looking(files, classifier, channels, len(first.classes)))
    accuracy = share(int(counts.as_asked.sum()), len(files)) if first.has_labels else Undefined(undefined=NO_LABELS)
    reference = moments(training)
    distance = ToTraining(
        num_training=len(training),
        samples=frechet_distance_of_moments(*reference, moments_of_all.mean, moments_of_all.covariance),
        num_test=len(test),
        test=frechet_distance_of_moments(*reference, *moments(test)),
    )
    return AllSamples(
        num_images=len(files),
        gan_test_accuracy=accuracy,
        fd_classifier_to_training=distance,
        classes={} if channels else of_classes(first.classes, counts),
        in_plain_words=in_plain_words(len(files), accuracy, distance),
    )


def streamed(looking: Looking) -> tuple[Moments, Counts]:
    """Moments of the features of all samples, and counts: the same bits for any number of processes."""
    chunks = chunks_of(range(len(looking.files)))
    counts = Counts(*torch.zeros(3, looking.num_classes, dtype=torch.int64))

    def of_chunks() -> Iterator[Moments]:
        nonlocal counts
        results = in_order(looking, chunks, processes_for(chunks))
        with closing(results), progress("all samples", len(looking.files), "image") as counter:
            for numbers, (features, counted) in zip(chunks, results, strict=True):
                counts = counts.plus(counted)
                counter.advance(len(numbers))
                yield features

    merged = merged_in_order(of_chunks())
    return merged, counts


def share(count: int, total: int) -> Share:
    """A share of independent draws with the interval of Wilson 1927, which stays within 0 and 1."""
    value, spread = count / total, STANDARD_NORMAL**2 / total
    middle = (value + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (value * (1 - value) + spread / 4)) / (1 + spread)
    return Share(
        count=count, value=value, interval=[max(0.0, min(middle - half, value)), min(1.0, max(middle + half, value))]
    )


def of_classes(names: list[str], counts: Counts) -> dict[str, OfClass]:
    """The counts of each class, by its name."""
    rows = zip(names, counts.asked.tolist(), counts.recognised.tolist(), counts.as_asked.tolist(), strict=True)
    return {name: OfClass(asked=a, recognised=r, recognised_as_asked=both) for name, a, r, both in rows}


def in_plain_words(num_images: int, accuracy: Share | Undefined, distance: ToTraining) -> str:
    """One line for the terminal."""
    words = [f"all {num_images:,} samples: distance to the training images {distance.samples:.3g}"]
    words.append(f"where {distance.num_test:,} test images have {distance.test:.3g}")
    if isinstance(accuracy, Share):
        low, high = (100 * bound for bound in accuracy.interval)
        words.append(f"{100 * accuracy.value:.3f} % recognised as asked ({low:.3f} to {high:.3f})")
    return ", ".join(words)
