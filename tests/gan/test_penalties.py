"""Gradient norms against closed forms and finite differences, and what each penalty asks of them."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.gan.penalties import PENALTIES, penalty_points, squared_differences, squared_gradient_norms

NORMS = torch.tensor([0.0, 0.5, 1.0, 3.0])
# What each penalty gives for gradients of these norms; a new one is tested by an entry here.
EXPECTED = {
    "r1": [0, 0.125, 0.5, 4.5],
    "r2": [0, 0.125, 0.5, 4.5],
    "wgan_gp": [1, 0.25, 0, 4],
    "dragan": [1, 0.25, 0, 4],
}


def test_every_penalty_has_its_reference() -> None:
    assert PENALTIES.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", PENALTIES)
def test_values_for_known_norms(name: str) -> None:
    assert_close(PENALTIES[name].of(NORMS.square()), torch.tensor(EXPECTED[name]).float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_flat_d_gives_a_finite_slope(name: str) -> None:
    """The square root's slope at 0 is infinite."""
    squares = torch.zeros(2, requires_grad=True)
    (slope,) = torch.autograd.grad(PENALTIES[name].of(squares).sum(), squares)
    assert slope.isfinite().all()


def test_images_that_the_gradient_is_taken_at() -> None:
    real, fake, uniform = torch.full((3, 1, 2, 2), 1.0), torch.full((3, 1, 2, 2), -3.0), torch.full((3, 5), 0.25)
    at = {name: penalty_points(penalty, real, fake, uniform) for name, penalty in PENALTIES.items()}
    assert torch.equal(at["r1"], real)
    assert torch.equal(at["r2"], fake)
    assert_close(at["wgan_gp"], torch.full_like(real, 0.25 * 1 + 0.75 * -3))
    assert_close(at["dragan"], real)  # images without spread get no noise


def test_noise_of_dragan_is_half_the_spread_of_the_images() -> None:
    real = torch.linspace(-1, 1, 12).view(3, 1, 2, 2)
    noise = torch.linspace(0, 1, 12).view(3, 4)
    uniform = torch.cat([torch.full((3, 1), 0.5), noise], dim=1)
    moved = penalty_points(PENALTIES["dragan"], real, torch.zeros_like(real), uniform) - real
    deviation = math.sqrt(real.double().var().item())
    assert_close(moved.flatten(1), noise * (deviation / 2))


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


def test_norms_of_a_linear_d_is_the_squared_norm_of_its_weight() -> None:
    x, weight = images(), torch.linspace(-1, 2, 24, dtype=torch.float64).view(2, 3, 4)
    assert_close(squared_gradient_norms((x * weight).sum((1, 2, 3)) + 5, x), weight.square().sum().expand(3).float())


def test_norms_of_a_quadratic_d() -> None:
    """D(x) = x'Ax has the gradient (A + A')x."""
    x, A = images(), matrix()
    flat = x.flatten(1)
    expected = (flat @ (A + A.T)).square().sum(1)
    assert_close(squared_gradient_norms((flat @ A * flat).sum(1), x), expected.float(), check_dtype=False)


def test_norms_equals_finite_differences() -> None:
    x, D, step = images(), network(), 1e-5
    found = squared_gradient_norms(D(x).squeeze(1), x)
    pixels = torch.eye(24, dtype=torch.float64).view(24, 1, 2, 3, 4) * step
    with torch.no_grad():
        slopes = torch.stack([(D(x + pixel) - D(x - pixel)).squeeze(1) / (2 * step) for pixel in pixels])
    assert_close(found, slopes.square().sum(0).float(), check_dtype=False)


def test_norms_of_an_image_does_not_depend_on_the_others() -> None:
    x, D = images(), network()
    together = squared_gradient_norms(D(x).squeeze(1), x)
    for row, expected in enumerate(together):
        alone = x[row : row + 1].detach().requires_grad_()
        assert_close(squared_gradient_norms(D(alone).squeeze(1), alone), expected.reshape(1))
    assert len(set(together.tolist())) == len(together)


def test_norms_can_be_minimised_over_the_weights_of_d() -> None:
    """|w|^2 has the gradient 2w."""
    weight = torch.linspace(-1, 2, 24).view(2, 3, 4).requires_grad_()
    x = images(dtype=torch.float32)
    penalty = squared_gradient_norms((x * weight).sum((1, 2, 3)), x)
    (gradient,) = torch.autograd.grad(penalty.mean(), weight)
    assert_close(gradient, 2 * weight.detach())


def test_squared_differences_are_the_squared_gradient_norms_in_the_mean() -> None:
    """Over 20,000 directions, of a curved D, for small steps; one draw deviates by sqrt(2) times the mean."""
    x, D, length, n = images(), network(), 1e-4, 20_000
    exact = squared_gradient_norms(D(x).squeeze(1), x)
    noise = torch.randn(n, *x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        moved = D((x + length * noise).flatten(0, 1)).view(n, len(x))
        squares = squared_differences(D(x).squeeze(1).expand(n, -1), moved, length)
    assert_close(squares.mean(0).float(), exact, rtol=0.05, atol=0)
    assert_close(squares.std(0).float(), math.sqrt(2) * exact, rtol=0.05, atol=0)


@pytest.mark.parametrize("name", PENALTIES)
def test_only_linear_penalties_are_said_to_be_linear(name: str) -> None:
    of, squares = PENALTIES[name].of, torch.tensor([0.25, 4.0])
    assert torch.allclose(of(squares).mean(), of(squares.mean())) is PENALTIES[name].linear
