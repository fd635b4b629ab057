"""Every metric's influences: of the right set of images, and as large as definition or jackknife say."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from stages.common import draws
from stages.evaluation.comparisons import Comparison
from stages.evaluation.embedded import Embedded
from stages.evaluation.registry import METRICS
from stages.metrics.memorisation import closeness
from stages.metrics.resampling import Influences


def drawn_apart() -> Comparison:
    """Small sets of overlapping clouds, so that no figure is 0 or 1; of 5 classes, some recognised wrongly."""

    def overlapping(purpose: str, n: int, spread: float) -> Embedded:
        labels = draws.integers(0, f"{purpose} labels", 0, 5, (n,))
        features = spread * draws.normal(0, purpose, 0, (n, 3)) + 0.4 * labels[:, None]
        wrong = draws.uniform(0, f"{purpose} wrong", 0, (n,)) < 0.2
        return Embedded(features, torch.where(wrong, (labels + 1) % 5, labels), labels)

    sets = overlapping("candidate", 70, 1.3), overlapping("reference", 90, 1.0)
    near = closeness(overlapping("training", 200, 1.0).features, *(each.features for each in sets))
    candidate, reference = (dataclasses.replace(each, closeness=own) for each, own in zip(sets, near, strict=True))
    return Comparison(reference, candidate, 5, k=3)


Part = Callable[[Comparison], torch.Tensor]


def in_any_ball(centres: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    """Which points [M] lie in which balls [N, M] that reach to the k-th neighbour of a centre."""
    radii = torch.cdist(centres, centres).topk(k + 1, largest=False).values[:, k]
    return torch.cdist(centres, points) <= radii[:, None]


def balls(comparison: Comparison) -> tuple[torch.Tensor, torch.Tensor]:
    """[N, M]: candidates in the balls of references, and references in the balls of candidates."""
    reference, candidate = (features.double() for features in comparison.features)
    return (
        in_any_ball(reference, candidate, comparison.k),
        in_any_ball(candidate, reference, comparison.k).T,
    )


def near(comparison: Comparison) -> torch.Tensor:
    limit = comparison.reference.known_closeness.nearest.sort().values[round(0.01 * 89)]
    return comparison.candidate.known_closeness.nearest < limit


def surplus(comparison: Comparison) -> torch.Tensor:
    """Half the sign of what a candidate's class has beyond its share."""
    recognised = comparison.candidate.recognised
    counts = torch.stack([(recognised == label).sum() for label in range(5)])
    return torch.sign(counts - len(recognised) / 5)[recognised] / 2


MEANS: dict[str, tuple[str, Part]] = {
    "precision": ("candidate", lambda sets: balls(sets)[0].any(dim=0)),
    "recall": ("reference", lambda sets: balls(sets)[1].any(dim=1)),
    "density": ("candidate", lambda sets: balls(sets)[0].sum(dim=0) / sets.k),
    "coverage": ("reference", lambda sets: balls(sets)[0].any(dim=1)),
    "gan_test_accuracy": ("candidate", lambda sets: sets.candidate.known_labels == sets.candidate.recognised),
    "class_imbalance": ("candidate", surplus),
    "authenticity": (
        "candidate",
        lambda sets: sets.candidate.known_closeness.nearest > sets.candidate.known_closeness.spacing,
    ),
    "near_training": ("candidate", near),
}
"""Of the metrics that are means over one set, by the definition: which set, and the part of each image in the mean."""
WITHOUT_INFLUENCES = {"c_t"}


@pytest.mark.parametrize("name", sorted(METRICS.keys() - WITHOUT_INFLUENCES - {"fd_infinity"}))
def test_influences_are_those_of_the_right_images(name: str) -> None:
    """Of means over images the parts less their mean, and none on the other set; of others those of the jackknife."""
    comparison = drawn_apart()
    score = METRICS[name](comparison)
    assert score.influences is not None
    assert score.standard_error == score.influences.standard_error > 0
    if name not in MEANS:
        for side in ("candidate", "reference"):
            influences, expected = getattr(score.influences, side), jackknife(name, comparison, side)
            assert torch.corrcoef(torch.stack([influences, expected]))[0, 1] > 0.99
            torch.testing.assert_close(influences.std(), expected.std(), rtol=0.1, atol=0)
        return
    side, part = MEANS[name]
    influences = getattr(score.influences, side)
    parts = part(comparison).double()
    torch.testing.assert_close(influences, parts - parts.mean(), rtol=1e-12, atol=1e-12)
    assert influences.std() > 0  # otherwise this would compare nothing
    assert getattr(score.influences, "reference" if side == "candidate" else "candidate") is None


def jackknife(name: str, comparison: Comparison, side: str) -> torch.Tensor:
    """Influences [N] of the images of one side, from the metric without each of them."""
    images: Embedded = getattr(comparison, side)
    rows = torch.arange(len(images.features))
    without = []
    for row in rows:
        changes: dict[str, Any] = {side: images.select(rows[rows != row])}
        without.append(METRICS[name](dataclasses.replace(comparison, **changes)).value)
    values = torch.tensor(without, dtype=torch.float64)
    return (len(rows) - 1) * (values.mean() - values)


def test_influences_of_the_extrapolated_distance_are_those_of_the_right_images() -> None:
    """Its parts change with the count, so that no image can be left out; those of the plain distance are much alike."""
    comparison = drawn_apart()
    influences = METRICS["fd_infinity"](comparison).influences
    plain = METRICS["fd_classifier"](comparison).influences
    assert influences is not None
    assert plain is not None
    for side, count in (("candidate", 70), ("reference", 90)):
        own, similar = getattr(influences, side), getattr(plain, side)
        assert len(own) == len(similar) == count
        assert torch.corrcoef(torch.stack([own, similar]))[0, 1] > 0.8


def test_only_c_t_has_no_influences() -> None:
    comparison = drawn_apart()
    scores = {name: metric(comparison) for name, metric in METRICS.items()}
    assert {name for name, score in scores.items() if score.influences is None} == WITHOUT_INFLUENCES
    for name, score in scores.items():
        known = score.influences or Influences()
        for influences in (known.candidate, known.reference):
            if influences is not None:
                assert abs(influences.mean()) < 1e-9 * (1 + influences.abs().max()), name


def test_figures_that_cannot_be_negative_say_so() -> None:
    scores = {name: metric(drawn_apart()) for name, metric in METRICS.items()}
    assert {name for name, score in scores.items() if score.never_negative} == {"fd_classifier", "class_imbalance"}


def test_standard_error_of_the_imbalance_is_its_spread_over_draws() -> None:
    """Draws of three classes with shares 0.5, 0.3, 0.2: far from equal, so that no class crosses its share."""
    scores_of_draws = []
    for trial in range(300):
        drawn = draws.uniform(0, "classes", trial, (200,))
        recognised = (drawn > 0.5).long() + (drawn > 0.8).long()
        images = Embedded(torch.zeros(200, 6), recognised, None)
        scores_of_draws.append(METRICS["class_imbalance"](Comparison(images, images, 3, k=1)))
    values = torch.tensor([each.value for each in scores_of_draws])
    errors = torch.tensor([each.standard_error for each in scores_of_draws])
    torch.testing.assert_close(errors.mean(), values.std(), rtol=0.1, atol=0)
