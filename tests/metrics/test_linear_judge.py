"""The linear judge against the closed form for two normal clouds, and where its solution must lie."""

import math

import pytest
import torch
from torch import Tensor

from stages.metrics.linear_judge import RIDGE, judged_second, linear_judge

DIRECTION = torch.tensor([0.6, 0.0, 0.8])


def clouds(distance: float, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two sets [n, 3] of normal points whose means lie that far apart, of unit variance in every direction."""
    points = torch.randn(2, n, 3, generator=torch.Generator().manual_seed(seed))
    return points[0] - distance / 2 * DIRECTION, points[1] + distance / 2 * DIRECTION


def accuracy(coefficients: Tensor, first: Tensor, second: Tensor) -> float:
    right = (~judged_second(coefficients, first)).double().mean() + judged_second(coefficients, second).double().mean()
    return right.item() / 2


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_accuracy_on_normal_clouds_is_the_closed_form(distance: float) -> None:
    """No judge of two normal clouds with unit covariance is right more often than Phi(distance / 2)."""
    best = 0.5 * (1 + math.erf(distance / 2 / math.sqrt(2)))
    n = 20_000
    actual = accuracy(linear_judge(*clouds(distance, n, seed=1)), *clouds(distance, n, seed=2))
    assert actual == pytest.approx(best, abs=4 * 0.5 / math.sqrt(2 * n))


def test_the_gradient_is_zero_at_the_solution() -> None:
    """By automatic differentiation of the loss as the docstring states it, on standardised features."""
    first, second = clouds(1.0, 500, seed=3)
    rows = torch.cat([first, second]).double()
    standardised = (rows - rows.mean(dim=0)) / rows.std(dim=0, correction=0)
    coefficients = linear_judge(standardised[:500], standardised[500:]).requires_grad_()
    logits = standardised @ coefficients[:-1] + coefficients[-1]
    targets = torch.cat([torch.zeros(500), torch.ones(500)]).double()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    (loss + RIDGE / 2 * coefficients.square().sum()).backward()
    assert coefficients.grad is not None
    assert coefficients.grad.abs().max() < 1e-12


def test_a_feature_without_variance_and_separable_sets_are_solved() -> None:
    first, second = clouds(50.0, 200, seed=4)
    constant = torch.full((200, 1), 7.0)
    first, second = torch.cat([first, constant], dim=1), torch.cat([second, constant], dim=1)
    coefficients = linear_judge(first, second)
    assert coefficients.isfinite().all()
    assert coefficients[3] == 0
    assert accuracy(coefficients, first, second) == 1


def test_swapped_sets_swap_the_sign() -> None:
    first, second = clouds(1.0, 300, seed=5)
    torch.testing.assert_close(linear_judge(first, second), -linear_judge(second, first))
