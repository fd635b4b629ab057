"""Losses against torch's own functions, penalties against closed forms and finite differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, margin_ranking_loss
from torch.testing import assert_close

from stages.gan.losses import LOSSES, Loss, gradient_penalty

Function = Callable[[Tensor], Tensor]


def cross_entropy(logits: Tensor, label: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none")


def hinge(logits: Tensor, sign: float) -> Tensor:
    """max(0, 1 - sign * logits)."""
    zeros = torch.zeros_like(logits)
    return margin_ranking_loss(logits, zeros, torch.full_like(logits, sign), margin=1, reduction="none")


# A new loss is tested against torch, or its paper's formula, by an entry here.
REFERENCES: dict[str, Loss] = {
    "non_saturating": Loss(
        lambda real, fake: cross_entropy(real, 1) + cross_entropy(fake, 0), lambda fake: cross_entropy(fake, 1)
    ),
    "hinge": Loss(lambda real, fake: hinge(real, 1) + hinge(fake, -1), lambda fake: -fake),
}
REAL = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.5, 1.5, 7.0])
FAKE = torch.tensor([0.3, -2.0, 1.0, -0.7, 0.0, -9.0, 4.0])


@pytest.mark.parametrize("name", LOSSES)
def test_values_equal_the_reference_sample_by_sample(name: str) -> None:
    loss, reference = LOSSES[name], REFERENCES[name]
    assert_close(loss.discriminator(REAL, FAKE), reference.discriminator(REAL, FAKE))
    assert_close(loss.generator(FAKE), reference.generator(FAKE))
    assert loss.discriminator(REAL, FAKE).shape == loss.generator(FAKE).shape == REAL.shape


@pytest.mark.parametrize("name", LOSSES)
def test_d_wants_real_logits_high_and_fake_ones_low(name: str) -> None:
    high, low = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, -0.5])
    discriminator = LOSSES[name].discriminator
    assert (discriminator(high, low) < discriminator(low, high)).all()
    assert (discriminator(high, low) < discriminator(high, high)).all()
    assert (discriminator(high, low) < discriminator(low, low)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_g_wants_fake_logits_high(name: str) -> None:
    assert (LOSSES[name].generator(FAKE + 1) < LOSSES[name].generator(FAKE)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_far_logits_give_finite_losses_and_gradients(name: str) -> None:
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    losses = torch.cat([LOSSES[name].discriminator(logits, -logits), LOSSES[name].generator(logits)])
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()


def images(batch: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    values = torch.linspace(-1, 1, batch * 2 * 3 * 4, dtype=dtype)
    return (values * 37).sin().view(batch, 2, 3, 4).requires_grad_()


def matrix() -> Tensor:
    """Not symmetric, so that a forgotten transpose shows."""
    return torch.linspace(-2, 3, 24 * 24, dtype=torch.float64).mul(11).cos().view(24, 24)


def network() -> nn.Module:
    """Smooth, without normalisation, the same weights in every call."""
    layers = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 1)).double()
    with torch.no_grad():
        for index, parameter in enumerate(layers.parameters()):
            parameter.copy_(
                torch.linspace(1, 9, parameter.numel(), dtype=torch.float64).add(index).sin().view_as(parameter)
            )
    return layers


def test_penalty_of_a_linear_d_is_the_squared_norm_of_its_weight() -> None:
    x, weight = images(), torch.linspace(-1, 2, 24, dtype=torch.float64).view(2, 3, 4)
    assert_close(gradient_penalty((x * weight).sum((1, 2, 3)) + 5, x), weight.square().sum().expand(3).float())


def test_penalty_of_a_quadratic_d() -> None:
    """D(x) = x'Ax has the gradient (A + A')x."""
    x, A = images(), matrix()
    flat = x.flatten(1)
    expected = (flat @ (A + A.T)).square().sum(1)
    assert_close(gradient_penalty((flat @ A * flat).sum(1), x), expected.float(), check_dtype=False)


def test_penalty_equals_finite_differences() -> None:
    x, D, step = images(), network(), 1e-5
    found = gradient_penalty(D(x).squeeze(1), x)
    pixels = torch.eye(24, dtype=torch.float64).view(24, 1, 2, 3, 4) * step
    with torch.no_grad():
        slopes = torch.stack([(D(x + pixel) - D(x - pixel)).squeeze(1) / (2 * step) for pixel in pixels])
    assert_close(found, slopes.square().sum(0).float(), check_dtype=False)


def test_penalty_of_an_image_does_not_depend_on_the_others() -> None:
    x, D = images(), network()
    together = gradient_penalty(D(x).squeeze(1), x)
    for row, expected in enumerate(together):
        alone = x[row : row + 1].detach().requires_grad_()
        assert_close(gradient_penalty(D(alone).squeeze(1), alone), expected.reshape(1))
    assert len(set(together.tolist())) == len(together)


def test_penalty_can_be_minimised_over_the_weights_of_d() -> None:
    """|w|^2 has the gradient 2w."""
    weight = torch.linspace(-1, 2, 24).view(2, 3, 4).requires_grad_()
    x = images(dtype=torch.float32)
    penalty = gradient_penalty((x * weight).sum((1, 2, 3)), x)
    (gradient,) = torch.autograd.grad(penalty.mean(), weight)
    assert_close(gradient, 2 * weight.detach())
