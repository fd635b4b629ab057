"""Penalties on the gradient of D's logits with respect to its images. Each gives one value per image.

They differ in two things only: the images at which the gradient is taken, and a function of its norm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

SLOPE_AT_ZERO = 1e-12
"""Added under the square root, whose own slope at 0 is infinite."""


@dataclass(frozen=True)
class Penalty:
    """A function of the squared gradient norms [B] of D's logits at some images.

    at: real images, fake ones, points between the two, or points near the real ones.
    linear: whether `of` is. Only then is it right in the mean where the squared norms are.
    """

    at: Literal["real", "fake", "between", "near"]
    of: Callable[[Tensor], Tensor]
    linear: bool = False


def half(squares: Tensor) -> Tensor:
    """squares / 2 [B]: a weight gamma then gives gamma / 2 times the squared norm, as the literature counts it."""
    return squares / 2


def from_one(squares: Tensor) -> Tensor:
    """The squared distance of the norms from 1, [B]."""
    return ((squares + SLOPE_AT_ZERO).sqrt() - 1).square()


PENALTIES = {
    # Mescheder et al. 2018, "Which training methods for GANs do actually converge?", equations 9 and 10.
    "r1": Penalty("real", half, linear=True),
    "r2": Penalty("fake", half, linear=True),
    # Gulrajani et al. 2017, "Improved training of Wasserstein GANs", equation 3.
    "wgan_gp": Penalty("between", from_one),
    # Kodali et al. 2017, "On convergence and stability of GANs", section 2.3, with noise as in the authors' code; the
    # standard deviation is that of a part of the batch.
    "dragan": Penalty("near", from_one),
}


def squared_gradient_norms(logits: Tensor, images: Tensor) -> Tensor:
    """Squared norm of the gradient of each logit with respect to its own image, [B].

    logits [B] must come from images [B, C, H, W], which require grad.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))


def squared_differences(logits: Tensor, moved_logits: Tensor, length: float) -> Tensor:
    """Squared slopes of D along random directions, [B]: in the mean over the directions, the squared gradient norms.

    logits [B] of some images, moved_logits [B] of these images plus `length` times standard normal noise. The mean of
    (n g)^2 over n ~ N(0, I) is |g|^2; the variance of one draw is twice its square (Lin et al. 2025, "Diffusion
    adversarial post-training for one-step video generation", approximated R1, there without the division). No second
    backward pass is needed.
    """
    return ((moved_logits - logits) / length).square()


def penalty_points(penalty: Penalty, real_images: Tensor, fake_images: Tensor, uniform: Tensor) -> Tensor:
    """The images [B, C, H, W] at which the gradient is taken.

    uniform: draws in [0, 1), [B, 1 + C * H * W]: the first of a row mixes, the others are the noise.
    """
    match penalty.at:
        case "real":
            return real_images
        case "fake":
            return fake_images
        case "between":
            weight = uniform[:, 0].view(-1, 1, 1, 1)
            return weight * real_images + (1 - weight) * fake_images
        case "near":
            noise = uniform[:, 1:].view_as(real_images)
            return real_images + 0.5 * real_images.std() * noise
