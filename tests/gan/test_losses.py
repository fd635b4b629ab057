"""Losses against torch's own functions and the papers' formulas."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, margin_ranking_loss, mse_loss
from torch.testing import assert_close

from stages.gan.losses import LOSSES, Loss, smoothed


def cross_entropy(logits: Tensor, label: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none")


def hinge(logits: Tensor, sign: float) -> Tensor:
    """max(0, 1 - sign * logits)."""
    zeros = torch.zeros_like(logits)
    return margin_ranking_loss(logits, zeros, torch.full_like(logits, sign), margin=1, reduction="none")


def distance_from(logits: Tensor, target: float) -> Tensor:
    return mse_loss(logits, torch.full_like(logits, target), reduction="none") / 2


# A new loss is tested against torch, or its paper's formula, by an entry here.
REFERENCES: dict[str, Loss] = {
    "minimax": Loss(
        lambda real, fake: cross_entropy(real, 1) + cross_entropy(fake, 0), lambda fake, real: -cross_entropy(fake, 0)
    ),
    "non_saturating": Loss(
        lambda real, fake: cross_entropy(real, 1) + cross_entropy(fake, 0), lambda fake, real: cross_entropy(fake, 1)
    ),
    "least_squares": Loss(
        lambda real, fake: distance_from(real, 1) + distance_from(fake, 0), lambda fake, real: distance_from(fake, 1)
    ),
    "hinge": Loss(lambda real, fake: hinge(real, 1) + hinge(fake, -1), lambda fake, real: -fake),
    "wasserstein": Loss(lambda real, fake: -(real - fake), lambda fake, real: -fake),
    "relativistic": Loss(
        lambda real, fake: cross_entropy(real - fake, 1), lambda fake, real: cross_entropy(fake - real, 1), paired=True
    ),
    "relativistic_average": Loss(
        lambda real, fake: cross_entropy(real - fake.mean(), 1) + cross_entropy(fake - real.mean(), 0),
        lambda fake, real: cross_entropy(real - fake.mean(), 0) + cross_entropy(fake - real.mean(), 1),
        paired=True,
    ),
}
REAL = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.5, 1.5, 7.0])
FAKE = torch.tensor([0.3, -2.0, 1.0, -0.7, 0.0, -9.0, 4.0])


@pytest.mark.parametrize("name", LOSSES)
def test_values_equal_the_reference_sample_by_sample(name: str) -> None:
    loss, reference = LOSSES[name], REFERENCES[name]
    assert_close(loss.discriminator(REAL, FAKE), reference.discriminator(REAL, FAKE))
    assert_close(loss.generator(FAKE, REAL), reference.generator(FAKE, REAL))
    assert loss.discriminator(REAL, FAKE).shape == loss.generator(FAKE, REAL).shape == REAL.shape


def test_every_loss_has_its_reference() -> None:
    assert LOSSES.keys() == REFERENCES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_d_wants_real_logits_high_and_fake_ones_low(name: str) -> None:
    high, low = torch.tensor([1.0, 0.5]), torch.tensor([-0.2, -0.1])
    discriminator = LOSSES[name].discriminator
    assert (discriminator(high, low) < discriminator(low, high)).all()
    assert (discriminator(high, low) < discriminator(high, high)).all()
    assert (discriminator(high, low) < discriminator(low, low)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_only_a_paired_loss_of_g_depends_on_real_logits(name: str) -> None:
    one, other = (LOSSES[name].generator(FAKE, real) for real in (REAL, REAL + 1))
    assert torch.equal(one, other) is not LOSSES[name].paired


@pytest.mark.parametrize("name", LOSSES)
def test_g_wants_fake_logits_high(name: str) -> None:
    """Below 1, where least squares are content."""
    low = FAKE.clamp(max=-0.5)
    assert (LOSSES[name].generator(low + 1, REAL) < LOSSES[name].generator(low, REAL)).all()


@pytest.mark.parametrize("name", LOSSES)
def test_far_logits_give_finite_losses_and_gradients(name: str) -> None:
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    losses = torch.cat([LOSSES[name].discriminator(logits, -logits), LOSSES[name].generator(logits, logits.flip(0))])
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    assert losses.isfinite().all()
    assert gradient.isfinite().all()


LABELLED = {"minimax": cross_entropy, "non_saturating": cross_entropy, "least_squares": distance_from}
"""The losses whose logits have labels, and the distance from a label."""


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("s", [0.1, 0.3])
def test_a_smoothed_loss_has_another_label_for_real_images_alone(name: str, s: float) -> None:
    loss, distance = smoothed(LOSSES[name], s), LABELLED[name]
    assert_close(loss.discriminator(REAL, FAKE), distance(REAL, 1 - s) + distance(FAKE, 0))
    assert torch.equal(loss.generator(FAKE, REAL), LOSSES[name].generator(FAKE, REAL))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_without_labels_cannot_be_smoothed(name: str) -> None:
    assert smoothed(LOSSES[name], 0) is LOSSES[name]
    if name not in LABELLED:
        with pytest.raises(ValueError, match="labels"):
            smoothed(LOSSES[name], 0.1)
