"""What the details say of copies: distances, counts, and the statistic of each class."""

import dataclasses

import torch

from stages.common import draws
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.evaluation.copying import memorisation
from stages.evaluation.embedded import Embedded
from stages.metrics.memorisation import closeness

NAMES = ["cat", "dog", "owl"]
SAMPLES = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 1, 2]), labels=torch.tensor([0, 0, 1, 1]))
DIGITS = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 2, 2]), labels=torch.tensor([0, 1, 2, 2]))


def beside_training() -> tuple[Comparison, Comparison]:
    """Ten samples of which two are training digits, forty digits elsewhere."""
    training = draws.normal(0, "training", 0, (60, 3))
    sets = [
        torch.cat([training[:2], draws.normal(0, "samples", 0, (8, 3))]),
        draws.normal(0, "validation", 0, (10, 3)),
        draws.normal(0, "test", 0, (40, 3)),
    ]
    samples, real, test = (
        Embedded(each, torch.arange(len(each)) % 3, None, near)
        for each, near in zip(sets, closeness(training, *sets), strict=True)
    )
    return Comparison(test, samples, 3, k=1), Comparison(test, real, 3, k=1)


def test_memorisation_tells_distances_and_what_is_near() -> None:
    samples, floor = beside_training()
    actual = memorisation(NAMES, Comparisons(samples, floor, None)).content()
    assert actual["copies"] == {"samples": 2, "floor": 0, "test": 0}
    assert samples.reference.closeness is not None
    distances = samples.reference.closeness.distances
    percentiles = actual["distance_percentiles"]
    assert percentiles["percent"] == [0, 0.1, 1, 10, 50, 90, 100]
    for place, expected in ((0, distances.min()), (4, distances.sort().values[20]), (6, distances.max())):
        assert percentiles["test"][place] == expected
    assert percentiles["samples"][0] == 0 < percentiles["floor"][0]
    few = "fewer than 8 images of this class on one side"
    nothing = {"value": None, "floor": None, "halves": None}
    undefined = {"value": few, "floor": few, "halves": "too few test images to halve them"}
    assert actual["cells"] == [{"class": name, **nothing, "undefined": undefined} for name in NAMES]  # three of each


def test_cells_stand_beside_real_digits_and_halves() -> None:
    samples, floor = beside_training()
    whole = dataclasses.replace(floor.reference, recognised=torch.zeros(40, dtype=torch.int64))
    alike = Comparison(whole, whole, 3, k=1)
    cells = memorisation(NAMES, Comparisons(samples, floor, alike)).content()["cells"]
    assert cells[0]["halves"] == 0  # against itself
    assert "halves" not in cells[0]["undefined"]


def test_memorisation_without_training_digits_says_so() -> None:
    comparison = Comparison(DIGITS, SAMPLES, len(NAMES), k=1)
    actual = memorisation(NAMES, Comparisons(comparison, comparison, None)).content()
    assert actual == {"undefined": "not compared with the training images"}
