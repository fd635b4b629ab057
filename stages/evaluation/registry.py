"""The registry of metrics: each a function of one Comparison. A new one is a function here and an entry in METRICS."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from stages.evaluation.beside_floor import Score, estimated
from stages.metrics import classes, neighbours
from stages.metrics.frechet import frechet_estimate, frechet_infinity, least_for_infinity
from stages.metrics.kernel import kernel_distance
from stages.metrics.memorisation import LEAST_IN_CELL, Closeness, CopyTest, near_limit, three_sample_test
from stages.metrics.resampling import Estimate, Influences, centred

NO_CLASS = "no class was asked for: the GAN is unconditional"
NO_TRAINING = "not compared with the training digits"


@dataclass(frozen=True)
class Embedded:
    """Images as the classifier sees them: features float32 [N, F], and the class it recognises, int64 [N].

    labels: the true classes of real digits, those asked for of samples, int64 [N]; None if no class was asked for.
    closeness: how they lie to the training digits; None if that was not looked at.
    """

    features: Tensor
    recognised: Tensor
    labels: Tensor | None
    closeness: Closeness | None = None

    def select(self, rows: Tensor) -> "Embedded":
        """The images of these row numbers."""
        labels = None if self.labels is None else self.labels[rows]
        closeness = None if self.closeness is None else self.closeness.select(rows)
        return Embedded(self.features[rows], self.recognised[rows], labels, closeness)


@dataclass(frozen=True)
class Comparison:
    """A candidate set set against the reference: samples, or for the floor real digits in their place."""

    reference: Embedded
    candidate: Embedded
    num_classes: int
    k: int
    """Which nearest neighbour the balls of precision, recall, density and coverage reach to."""
    seed: int = 0
    """Of the order in which fd_infinity splits the candidates."""

    @cached_property
    def neighbourhoods(self) -> neighbours.Neighbourhoods:
        """The costly part that four metrics share."""
        return neighbours.neighbourhoods(self.reference.features, self.candidate.features, self.k)

    @cached_property
    def copy_test(self) -> CopyTest | None:
        """C_T with the recognised classes as cells; None without training digits, or with too few in every class."""
        reference, candidate = self.reference, self.candidate
        if reference.closeness is None or candidate.closeness is None:
            return None
        return three_sample_test(
            candidate.closeness, reference.closeness, candidate.recognised, reference.recognised, self.num_classes
        )


Metric = Callable[[Comparison], Score]


def _mean_of_candidates(value: float, parts: Tensor) -> Score:
    return estimated(Estimate(value, Influences(candidate=centred(parts))))


def _mean_of_references(value: float, parts: Tensor) -> Score:
    return estimated(Estimate(value, Influences(reference=centred(parts))))


def _fd_classifier(comparison: Comparison) -> Score:
    estimate = frechet_estimate(comparison.reference.features, comparison.candidate.features)
    return estimated(estimate, never_negative=True)


def _fd_infinity(comparison: Comparison) -> Score:
    reference, candidate = comparison.reference.features, comparison.candidate.features
    needed = least_for_infinity(candidate.shape[1])
    if len(candidate) < needed:
        return Score(None, undefined=f"{candidate.shape[1]} features need {needed} samples, found {len(candidate)}")
    return estimated(frechet_infinity(reference, candidate, comparison.seed))


def _kd_classifier(comparison: Comparison) -> Score:
    return estimated(kernel_distance(comparison.reference.features, comparison.candidate.features))


def _precision(comparison: Comparison) -> Score:
    found = comparison.neighbourhoods
    return _mean_of_candidates(neighbours.precision(found), found.inside)


def _recall(comparison: Comparison) -> Score:
    found = comparison.neighbourhoods
    return _mean_of_references(neighbours.recall(found), found.recalled)


def _density(comparison: Comparison) -> Score:
    found = comparison.neighbourhoods
    return _mean_of_candidates(neighbours.density(found), found.balls_around / found.k)


def _coverage(comparison: Comparison) -> Score:
    found = comparison.neighbourhoods
    return _mean_of_references(neighbours.coverage(found), found.covered)


def _gan_test_accuracy(comparison: Comparison) -> Score:
    asked, recognised = comparison.candidate.labels, comparison.candidate.recognised
    if asked is None:
        return Score(None, undefined=NO_CLASS)
    return _mean_of_candidates(classes.gan_test_accuracy(asked, recognised), asked == recognised)


def _class_imbalance(comparison: Comparison) -> Score:
    recognised = comparison.candidate.recognised
    estimate = _mean_of_candidates(
        classes.class_imbalance(recognised, comparison.num_classes),
        classes.imbalance_parts(recognised, comparison.num_classes),
    )
    return replace(estimate, never_negative=True)


def _c_t(comparison: Comparison) -> Score:
    if comparison.candidate.closeness is None or comparison.reference.closeness is None:
        return Score(None, undefined=NO_TRAINING)
    test = comparison.copy_test
    if test is None:
        return Score(None, undefined=f"no class has {LEAST_IN_CELL} samples and {LEAST_IN_CELL} test digits")
    return Score(test.value, test.null_deviation, no_ratio="no ratio: 0 is the value without copying, the sign counts")


def _authenticity(comparison: Comparison) -> Score:
    closeness = comparison.candidate.closeness
    if closeness is None:
        return Score(None, undefined=NO_TRAINING)
    return _mean_of_candidates(closeness.authentic.double().mean().item(), closeness.authentic)


def _near_training(comparison: Comparison) -> Score:
    reference, candidate = comparison.reference.closeness, comparison.candidate.closeness
    if reference is None or candidate is None:
        return Score(None, undefined=NO_TRAINING)
    near = candidate.nearest < near_limit(reference)
    return _mean_of_candidates(near.double().mean().item(), near)


METRICS: dict[str, Metric] = {
    "fd_classifier": _fd_classifier,
    "fd_infinity": _fd_infinity,
    "kd_classifier": _kd_classifier,
    "precision": _precision,
    "recall": _recall,
    "density": _density,
    "coverage": _coverage,
    "gan_test_accuracy": _gan_test_accuracy,
    "class_imbalance": _class_imbalance,
    "c_t": _c_t,
    "authenticity": _authenticity,
    "near_training": _near_training,
}
