"""From verdicts on single images to an accuracy with its standard error."""

import math

import pytest
import torch

from stages.evaluation.two_sample import verdicts


def test_accuracy_counts_both_sides_alike() -> None:
    """Real digits: 1 of 4 taken for a candidate; candidates: 1 of 2."""
    judged = torch.tensor([True, False, False, False]), torch.tensor([True, False])
    assert verdicts([judged]).score.value == pytest.approx((0.75 + 0.5) / 2)


def test_accuracy_is_the_mean_over_seeds() -> None:
    right, wrong = ((torch.full((3,), not known), torch.full((3,), known)) for known in (True, False))
    result = verdicts([right, right, wrong])
    assert result.accuracies == [1, 1, 0]
    assert result.score.value == pytest.approx(2 / 3)


def test_the_standard_error_is_that_of_two_proportions() -> None:
    n = 1000
    real, candidates = torch.arange(n) % 4 == 0, torch.arange(n) % 2 == 0
    expected = math.sqrt((0.75 * 0.25 + 0.5 * 0.5) / (n - 1)) / 2
    assert verdicts([(real, candidates)]).score.standard_error == pytest.approx(expected)
