"""Metrics of classes on examples counted by hand."""

import pytest
import torch

from stages.metrics.classes import (
    class_histogram,
    class_imbalance,
    confusion_matrix,
    gan_test_accuracy,
    per_class_accuracy,
)

ASKED = torch.tensor([0, 0, 0, 1, 1, 2])
RECOGNISED = torch.tensor([0, 0, 3, 1, 2, 1])


def test_gan_test_accuracy_is_the_share_recognised_as_asked() -> None:
    assert gan_test_accuracy(ASKED, RECOGNISED) == 3 / 6
    assert gan_test_accuracy(ASKED, ASKED) == 1
    assert gan_test_accuracy(ASKED, (ASKED + 1) % 3) == 0


def test_histogram_counts_classes_that_do_not_occur() -> None:
    assert class_histogram(RECOGNISED, 5).tolist() == [2, 2, 1, 1, 0]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([5, 5, 5, 5], 0), ([20, 0, 0, 0], 3 / 4), ([0, 4, 4, 4], 1 / 4), ([6, 4, 5, 5], 1 / 20)],
)
def test_imbalance_is_the_share_that_would_have_to_change_class(counts: list[int], expected: float) -> None:
    recognised = torch.repeat_interleave(torch.arange(4), torch.tensor(counts))
    torch.testing.assert_close(class_imbalance(recognised, 4), float(expected))


def test_confusion_has_the_asked_class_in_rows() -> None:
    expected = [[2, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert confusion_matrix(ASKED, RECOGNISED, 4).tolist() == expected


def test_per_class_accuracy_is_none_for_a_class_not_asked_for() -> None:
    assert per_class_accuracy(confusion_matrix(ASKED, RECOGNISED, 4)) == [2 / 3, 1 / 2, 0, None]
