"""The registry of metrics: each a function of one Comparison. A new one is a function here and an entry in METRICS."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from stages.metrics import classes, neighbours
from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance

NO_CLASS = "no class was asked for: the GAN is unconditional"


@dataclass(frozen=True)
class Embedded:
    """Images as the classifier sees them: features float32 [N, F], and the class it recognises, int64 [N].

    labels: the true classes of real digits, those asked for of samples, int64 [N]; None if no class was asked for.
    """

    features: Tensor
    recognised: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Comparison:
    """A candidate set set against the reference: samples, or for the floor real digits in their place."""

    reference: Embedded
    candidate: Embedded
    num_classes: int
    k: int
    """Which nearest neighbour the balls of precision, recall, density and coverage reach to."""

    @cached_property
    def neighbourhoods(self) -> neighbours.Neighbourhoods:
        """The costly part that four metrics share."""
        return neighbours.neighbourhoods(self.reference.features, self.candidate.features, self.k)


@dataclass(frozen=True)
class Score:
    """The value of a metric, with its standard error where one is known; or None and why it has no value."""

    value: float | None
    standard_error: float | None = None
    undefined: str | None = None


Metric = Callable[[Comparison], Score]


def _fd_classifier(comparison: Comparison) -> Score:
    return Score(frechet_distance(comparison.reference.features, comparison.candidate.features))


def _kd_classifier(comparison: Comparison) -> Score:
    estimate = kernel_distance(comparison.reference.features, comparison.candidate.features)
    return Score(estimate.value, estimate.standard_error)


def _gan_test_accuracy(comparison: Comparison) -> Score:
    if comparison.candidate.labels is None:
        return Score(None, undefined=NO_CLASS)
    return Score(classes.gan_test_accuracy(comparison.candidate.labels, comparison.candidate.recognised))


def _class_imbalance(comparison: Comparison) -> Score:
    return Score(classes.class_imbalance(comparison.candidate.recognised, comparison.num_classes))


METRICS: dict[str, Metric] = {
    "fd_classifier": _fd_classifier,
    "kd_classifier": _kd_classifier,
    "precision": lambda comparison: Score(neighbours.precision(comparison.neighbourhoods)),
    "recall": lambda comparison: Score(neighbours.recall(comparison.neighbourhoods)),
    "density": lambda comparison: Score(neighbours.density(comparison.neighbourhoods)),
    "coverage": lambda comparison: Score(neighbours.coverage(comparison.neighbourhoods)),
    "gan_test_accuracy": _gan_test_accuracy,
    "class_imbalance": _class_imbalance,
}
