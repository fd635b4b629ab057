"""The registry of metrics. A new metric is a formula in stages/metrics/ and an entry here.

An entry says what a figure means and how a Comparison becomes a Score; the README, docs/damages.md, the plain words and
params.yaml take names, meanings and directions from here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from stages.evaluation.comparisons import Comparison
from stages.evaluation.scores import NO_LABELS, Score, estimated
from stages.metrics import classes, memorisation, modes, neighbours
from stages.metrics.frechet import frechet_estimate, frechet_infinity, least_for_infinity
from stages.metrics.kernel import kernel_distance
from stages.metrics.memorisation import LEAST_IN_CELL, NEAR_PERCENT

Direction = Literal["lower", "higher", "neither"]
"""Which figures are better; neither: what counts is the comparison with the floor."""
Need = Callable[[Comparison], str | None]
"""What a metric needs of a comparison: None if it is present, otherwise why the metric is undefined."""

NO_TRAINING = "not compared with the training images"
NO_RATIO_OF_COUNTS = "no ratio: a count of modes"
NO_RATIO = "no ratio: 0 is the value without copying, the sign counts"


@dataclass(frozen=True)
class Metric:
    """One entry. meaning: in words, without the name and the direction; measure: its score, where all needs are met.

    aspect: what the plain words judge by the ratio to the floor, if they do.
    """

    name: str
    meaning: str
    direction: Direction
    measure: Callable[[Comparison], Score]
    needs: tuple[Need, ...] = ()
    aspect: Literal["distance", "fidelity", "diversity"] | None = None

    def __call__(self, comparison: Comparison) -> Score:
        """The score, or why there is none: the first need that is not met."""
        reasons = (need(comparison) for need in self.needs)
        undefined = next((reason for reason in reasons if reason), None)
        return self.measure(comparison) if undefined is None else Score(None, undefined=undefined)

    @property
    def is_shown_as_ratio(self) -> bool:
        """Whether metrics.json has its ratio to the floor: what is better lower has no scale that all runs share.

        Another classifier changes the unit of distances, and fewer samples raise them: their floor changes alike.
        """
        return self.direction == "lower"

    @property
    def shown_name(self) -> str:
        """The key in metrics.json."""
        return f"{self.name}_ratio" if self.is_shown_as_ratio else self.name

    @property
    def explanation(self) -> str:
        """Meaning and direction, for tables."""
        better = "compare with real images" if self.direction == "neither" else f"{self.direction} is better"
        return f"{self.meaning}; {better}"


def need_labels(comparison: Comparison) -> str | None:
    """The candidates have labels."""
    return NO_LABELS if comparison.candidate.labels is None else None


def need_training(comparison: Comparison) -> str | None:
    """Both sets were compared with the training digits."""
    sets = comparison.candidate, comparison.reference
    return NO_TRAINING if any(each.closeness is None for each in sets) else None


def need_cell(comparison: Comparison) -> str | None:
    """At least one class has enough images for C_T."""
    if comparison.copy_test is None:
        return f"no class has {LEAST_IN_CELL} samples and {LEAST_IN_CELL} test images"
    return None


def need_parts(comparison: Comparison) -> str | None:
    """There are enough candidates to split them for fd_infinity."""
    present, num_features = comparison.candidate.features.shape
    needed = least_for_infinity(num_features)
    return f"{num_features} features need {needed} samples, found {present}" if present < needed else None


def _c_t(comparison: Comparison) -> Score:
    assert comparison.copy_test is not None
    return Score(comparison.copy_test.value, comparison.copy_test.null_deviation, no_ratio=NO_RATIO)


_ENTRIES = (
    Metric(
        "fd_classifier",
        "Fréchet distance on the classifier's features",
        "lower",
        lambda sets: estimated(frechet_estimate(*sets.features), never_negative=True),
        aspect="distance",
    ),
    Metric(
        "fd_infinity",
        "the Fréchet distance extrapolated to infinitely many samples",
        "lower",
        lambda sets: estimated(frechet_infinity(*sets.features, sets.seed)),
        needs=(need_parts,),
    ),
    Metric(
        "kd_classifier",
        "kernel distance on the classifier's features",
        "lower",
        lambda sets: estimated(kernel_distance(*sets.features, within_x=sets.reference.kernel_sums)),
    ),
    Metric(
        "precision",
        "samples that look like test images",
        "higher",
        lambda sets: estimated(neighbours.precision(sets.neighbourhoods)),
        aspect="fidelity",
    ),
    Metric(
        "recall",
        "test images that look like samples",
        "higher",
        lambda sets: estimated(neighbours.recall(sets.neighbourhoods)),
        aspect="diversity",
    ),
    Metric(
        "density",
        "how densely test images lie around the samples",
        "higher",
        lambda sets: estimated(neighbours.density(sets.neighbourhoods)),
    ),
    Metric(
        "coverage",
        "test images that have a sample near them",
        "higher",
        lambda sets: estimated(neighbours.coverage(sets.neighbourhoods)),
        aspect="diversity",
    ),
    Metric(
        "gan_test_accuracy",
        "samples recognised as their label",
        "higher",
        lambda sets: estimated(classes.gan_test_accuracy(sets.candidate.known_labels, sets.candidate.recognised)),
        needs=(need_labels,),
    ),
    Metric(
        "class_imbalance",
        "samples that would have to change class for equal shares",
        "lower",
        lambda sets: estimated(
            classes.class_imbalance(sets.candidate.recognised, sets.num_classes), never_negative=True
        ),
    ),
    Metric(
        "c_t",
        "whether samples lie nearer to the training images than test images do: far below 0 they are copies",
        "neither",
        _c_t,
        needs=(need_training, need_cell),
    ),
    Metric(
        "authenticity",
        "samples farther from their nearest training image than that is from the next: 0 for copies",
        "neither",
        lambda sets: estimated(memorisation.authenticity(sets.candidate.known_closeness)),
        needs=(need_training,),
    ),
    Metric(
        "near_training",
        f"samples nearer to a training image than {NEAR_PERCENT} % of the test images are: many more are copies",
        "neither",
        lambda sets: estimated(
            memorisation.near_training(sets.candidate.known_closeness, sets.reference.known_closeness)
        ),
        needs=(need_training,),
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ENTRIES}
PAPERS: dict[str, Metric] = {
    name: replace(METRICS[same], name=name, meaning=meaning)
    for name, same, meaning in (
        ("fid", "fd_classifier", "Fréchet distance on Inception features"),
        ("kid", "kd_classifier", "kernel distance on Inception features"),
    )
}
"""The names that two of these formulas have on Inception features."""
_OF_STACKS = (
    Metric(
        "modes_found",
        "modes of stacked images that samples reach",
        "higher",
        lambda sets: Score(modes.modes_found(sets.candidate.recognised, sets.num_classes), no_ratio=NO_RATIO_OF_COUNTS),
    ),
    Metric(
        "reverse_kl",
        "how unevenly samples reach the modes: KL divergence from equal shares",
        "lower",
        lambda sets: estimated(modes.reverse_kl(sets.candidate.recognised, sets.num_classes), never_negative=True),
    ),
)
STACKS: dict[str, Metric] = {metric.name: metric for metric in _OF_STACKS}
"""Those of stacked images alone, whose classes are modes."""
EVERY = METRICS | PAPERS | STACKS
"""All that evaluate.metrics may name."""
