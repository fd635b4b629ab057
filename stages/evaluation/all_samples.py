"""Figures of all samples where they are more than one file: streamed, so that memory does not grow with their number.

Counts are whole numbers, and moments of features are merged by a fixed tree over chunks of samples: the figures are a
function of the samples alone, whatever the number of processes and wherever the files begin.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from stages.classifier.model import classifier_from, finite_features, of_stacks, recognised_classes
from stages.common.files import read_tensors
from stages.common.images import NO_LABEL, ImageSet, to_float
from stages.common.progress import progress
from stages.common.records import Record, Undefined
from stages.common.shards import SampleFiles, chunks_of
from stages.common.workers import in_order, processes_for
from stages.evaluation.embedded import Embedded
from stages.evaluation.scores import NO_LABELS
from stages.metrics.classes import class_histogram
from stages.metrics.frechet import frechet_distance_of_moments, moments
from stages.metrics.merging import Moments, merged_in_order
from stages.metrics.resampling import LEVEL

STANDARD_NORMAL = 1.959963984540054
"""Where the middle LEVEL of the standard normal distribution ends."""


class Share(Record):
    """So many of all; the share, and Wilson's interval for the probability behind it."""

    count: int
    value: float
    interval: list[float]


class OfClass(Record):
    """Samples of a class: asked for (0 of all without labels), recognised, and both."""

    class_: Annotated[str, Field(alias="class")]
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
    classes: list[OfClass]
    in_plain_words: str


@dataclass(frozen=True)
class Counts:
    """Of samples: int64 [num_classes] each."""

    asked: Tensor
    recognised: Tensor
    as_asked: Tensor

    def plus(self, other: "Counts") -> "Counts":
        """Of the samples of both."""
        return Counts(
            self.asked + other.asked, self.recognised + other.recognised, self.as_asked + other.as_asked
        )
