"""Adversarial losses and gradient penalties. Each gives one value per sample; the training loop reduces them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class Loss:
    """The two sides of a game, as functions of D's unbounded logits.

    discriminator: (real_logits [B], fake_logits [B]) to d_loss [B]; generator: fake_logits [B] to g_loss [B].
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


LOSSES = {
    # Goodfellow et al. 2014, section 3: D's cross-entropy; G maximises log D(G(z)).
    # softplus(-x) = -log sigmoid(x), softplus(x) = -log(1 - sigmoid(x)).
    "non_saturating": Loss(lambda real, fake: softplus(-real) + softplus(fake), lambda fake: softplus(-fake)),
    # Lim and Ye 2017, "Geometric GAN": D's logits are pushed past the margins +-1; G raises them without bound.
    "hinge": Loss(lambda real, fake: relu(1 - real) + relu(1 + fake), lambda fake: -fake),
}


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Squared norm of the gradient of each logit with respect to its own image, [B].

    logits [B] must come from images [B, C, H, W], which require grad. On real images this is R1, on fake ones R2
    (Mescheder et al. 2018, equation 9); the loss adds gamma/2 times it.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3))
