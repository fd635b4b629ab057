"""Metrics of classes on examples counted by hand."""

import pytest
import scipy  # loads scipy.stats when it is used
import torch

from stages.metrics.classes import (
    balance_test,
    class_histogram,
    class_imbalance,
    confusion_matrix,
    gan_test_accuracy,
    imbalance_parts,
    same_classes_test,
)

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
RECOGNISED = torch.tensor([0, 0, 3, 1, 2, 1])


def test_gan_test_accuracy_is_the_share_recognised_as_their_label() -> None:
    assert gan_test_accuracy(LABELS, RECOGNISED).value == 3 / 6
    assert gan_test_accuracy(LABELS, LABELS).value == 1
    assert gan_test_accuracy(LABELS, (LABELS + 1) % 3).value == 0


def test_histogram_counts_classes_that_do_not_occur() -> None:
    assert class_histogram(RECOGNISED, 5).tolist() == [2, 2, 1, 1, 0]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([5, 5, 5, 5], 0), ([20, 0, 0, 0], 3 / 4), ([0, 4, 4, 4], 1 / 4), ([6, 4, 5, 5], 1 / 20)],
)
def test_imbalance_is_the_share_that_would_have_to_change_class(counts: list[int], expected: float) -> None:
    recognised = torch.repeat_interleave(torch.arange(4), torch.tensor(counts))
    torch.testing.assert_close(class_imbalance(recognised, 4).value, float(expected))


def test_confusion_has_the_label_in_rows() -> None:
    expected = [[2, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert confusion_matrix(LABELS, RECOGNISED, 4).tolist() == expected


def test_imbalance_parts_are_the_slope_of_the_imbalance() -> None:
    """Shares 0.5, 0.3, 0.2 of three classes: the first has too much. A class at its share counts 0."""
    recognised = torch.repeat_interleave(torch.arange(3), torch.tensor([50, 30, 20]))
    assert imbalance_parts(recognised, 3).tolist() == [0.5] * 50 + [-0.5] * 50
    moved = torch.cat([recognised[1:], torch.tensor([2])])  # one image from class 0 to class 2
    change = class_imbalance(moved, 3).value - class_imbalance(recognised, 3).value
    torch.testing.assert_close(change, (-0.5 - 0.5) / 100)
    assert imbalance_parts(torch.tensor([0, 1, 2]), 3).tolist() == [0.0] * 3


HISTOGRAMS = [[100, 100, 100], [90, 110, 100], [300, 0, 0], [1010, 980, 1003, 1007], [5, 7]]


@pytest.mark.parametrize("counts", HISTOGRAMS)
def test_balance_agrees_with_scipy(counts: list[int]) -> None:
    actual = balance_test(torch.tensor(counts))
    expected = scipy.stats.chisquare(counts)
    assert actual is not None
    torch.testing.assert_close([actual.statistic, actual.p_value], [*map(float, expected)], rtol=1e-9, atol=1e-300)
    assert actual.degrees == len(counts) - 1


@pytest.mark.parametrize(
    ("first", "second"), [([90, 110, 100], [100, 100, 120]), ([5, 7, 0], [50, 20, 0]), ([300, 0, 0], [100, 100, 100])]
)
def test_same_classes_agrees_with_scipy(first: list[int], second: list[int]) -> None:
    """Which refuses classes that neither set has."""
    actual = same_classes_test(torch.tensor(first), torch.tensor(second))
    table = [[a, b] for a, b in zip(first, second, strict=True) if a + b]
    expected = scipy.stats.chi2_contingency(table, correction=False)
    assert actual is not None
    torch.testing.assert_close(
        [actual.statistic, actual.p_value], [float(expected.statistic), float(expected.pvalue)], rtol=1e-9, atol=1e-300
    )
    assert actual.degrees == expected.dof


def test_a_dropped_class_is_significant_and_chance_is_not() -> None:
    balanced = torch.full((10,), 100)
    dropped = balanced.clone()
    dropped[3], dropped[4] = 0, 200
    for test in (balance_test(dropped), same_classes_test(dropped, balanced)):
        assert test is not None
        assert test.p_value < 1e-9
    for test in (balance_test(balanced), same_classes_test(balanced, balanced)):
        assert test is not None
        assert (test.statistic, test.p_value) == (0, 1)


def test_one_class_has_no_test() -> None:
    assert balance_test(torch.tensor([10])) is None
    assert same_classes_test(torch.tensor([10, 0]), torch.tensor([20, 0])) is None
