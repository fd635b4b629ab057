"""Which sets are compared with which, and when there are enough test digits to halve."""

import pytest
import torch

from stages.common import draws
from stages.evaluation.comparisons import compare, least_images
from stages.evaluation.embedded import Embedded
from stages.metrics.resampling import halved


def images(purpose: str, n: int) -> Embedded:
    labels = torch.arange(n) % 2
    return Embedded(draws.normal(0, purpose, 0, (n, 3)), labels, labels)


def test_samples_and_validation_are_compared_with_all_test_digits_and_halves_with_each_other() -> None:
    sets = {"test": images("test", 21), "validation": images("validation", 9), "samples": images("samples", 9)}
    comparisons = compare(sets, num_classes=2, k=4, seed=3)
    assert comparisons.samples.reference is comparisons.floor.reference is sets["test"]
    assert comparisons.samples.candidate is sets["samples"]
    assert comparisons.floor.candidate is sets["validation"]
    assert comparisons.halves is not None
    for half, rows in zip((comparisons.halves.reference, comparisons.halves.candidate), halved(3, 21), strict=True):
        assert half.features.equal(sets["test"].features[rows])
    for comparison in (comparisons.samples, comparisons.floor, comparisons.halves):
        assert (comparison.num_classes, comparison.k, comparison.seed) == (2, 4, 3)


@pytest.mark.parametrize(("k", "least"), [(1, 3), (2, 3), (3, 4), (9, 10)])
def test_metrics_need_more_images_than_neighbours_and_three(k: int, least: int) -> None:
    assert least_images(k) == least
    for num_test, present in ((2 * least - 1, False), (2 * least, True)):  # the second half is the smaller one
        sets = dict.fromkeys(("test", "validation", "samples"), images("test", num_test))
        assert (compare(sets, 2, k, seed=1).halves is not None) is present
