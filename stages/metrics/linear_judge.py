"""A linear judge: logistic regression, solved by Newton's method in float64 without any draw."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

NEWTON_STEPS = 20
HALVINGS = 30
RIDGE = 1e-4
"""Weight of the squared length of the coefficients beside the mean loss: keeps separable sets solvable."""


def linear_judge(first: Tensor, second: Tensor) -> Tensor:
    """Coefficients float64 [F + 1], the intercept last, of logits that are positive for `second`.

    first, second: features [N, F] and [M, F]. Minimises the mean logistic loss plus RIDGE / 2 times the squared
    coefficients of the standardised features.
    """
    rows = torch.cat([first, second]).double()
    mean, deviation = rows.mean(dim=0), rows.std(dim=0, correction=0)
    scale = torch.where(deviation > 0, 1 / deviation, 0)  # a feature without variance counts for nothing
    inputs = torch.cat([(rows - mean) * scale, torch.ones(len(rows), 1, dtype=torch.float64)], dim=1)
    signs = torch.cat([-torch.ones(len(first)), torch.ones(len(second))]).double()
    coefficients = _minimised(inputs, signs)
    weights = coefficients[:-1] * scale
    return torch.cat([weights, coefficients[-1:] - weights @ mean])


def judged_second(coefficients: Tensor, features: Tensor) -> Tensor:
    """Whether each of features [N, F] is taken for one of the second set, bool [N]."""
    return features.double() @ coefficients[:-1] + coefficients[-1] > 0


def _minimised(inputs: Tensor, signs: Tensor) -> Tensor:
    """The coefficients [F] of least loss for inputs [N, F] and signs -1 or 1 [N]: Newton with halved steps."""
    penalty = torch.full((inputs.shape[1],), RIDGE, dtype=torch.float64)

    def loss(coefficients: Tensor) -> Tensor:
        return (penalty * coefficients.square()).sum() / 2 - logsigmoid(signs * (inputs @ coefficients)).mean()

    coefficients = torch.zeros(inputs.shape[1], dtype=torch.float64)
    for _ in range(NEWTON_STEPS):
        wrong = torch.sigmoid(-signs * (inputs @ coefficients))
        gradient = penalty * coefficients - (signs * wrong) @ inputs / len(inputs)
        curvature = inputs.T @ (inputs * (wrong * (1 - wrong))[:, None]) / len(inputs) + torch.diag(penalty)
        step = torch.linalg.solve(curvature, gradient)
        before = loss(coefficients)
        for _ in range(HALVINGS):
            if loss(coefficients - step) <= before:
                coefficients = coefficients - step
                break
            step = step / 2
    return coefficients
