"""Adversarial losses. Each gives one value per sample; the trainer reduces them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class Loss:
    """The two sides of a game, as functions of D's unbounded logits.

    discriminator: (real_logits [B], fake_logits [B]) to d_loss [B];
    generator: (fake_logits [B], real_logits [B]) to g_loss [B];
    paired: whether generator reads real_logits. Otherwise they are not computed, and it gets fake_logits twice;
    smoothing: (real_logits [B], s) to what a label of 1 - s for real images, in place of 1, adds to d_loss [B]; None
    for a loss whose logits have no labels.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False
    smoothing: Callable[[Tensor, float], Tensor] | None = None


# softplus(-x) = -log sigmoid(x), softplus(x) = -log(1 - sigmoid(x)), softplus(x) - softplus(-x) = x.
LOSSES = {
    # Goodfellow et al. 2014, equation 1: D's cross-entropy; G minimises log(1 - D(G(z))), flat where D is sure.
    "minimax": Loss(
        lambda real, fake: softplus(-real) + softplus(fake),
        lambda fake, real: -softplus(fake),
        smoothing=lambda real, s: s * real,
    ),
    # The same, section 3: G maximises log D(G(z)) instead.
    "non_saturating": Loss(
        lambda real, fake: softplus(-real) + softplus(fake),
        lambda fake, real: softplus(-fake),
        smoothing=lambda real, s: s * real,
    ),
    # Mao et al. 2017, "Least squares GANs", equation 2 with a = 0, b = c = 1.
    "least_squares": Loss(
        lambda real, fake: ((real - 1).square() + fake.square()) / 2,
        lambda fake, real: (fake - 1).square() / 2,
        smoothing=lambda real, s: s * (real - 1) + s**2 / 2,
    ),
    # Lim and Ye 2017, "Geometric GAN": D's logits are pushed past the margins +-1; G raises them without bound.
    "hinge": Loss(
        lambda real, fake: relu(1 - real) + relu(1 + fake),
        lambda fake, real: -fake,
    ),
    # Arjovsky et al. 2017, "Wasserstein GAN", equations 2 and 3; D must be kept Lipschitz, by a penalty for example.
    "wasserstein": Loss(
        lambda real, fake: fake - real,
        lambda fake, real: -fake,
    ),
    # Jolicoeur-Martineau 2018, "The relativistic discriminator", section 4.1 (RpGAN): each fake beside one real image.
    "relativistic": Loss(
        lambda real, fake: softplus(fake - real),
        lambda fake, real: softplus(real - fake),
        paired=True,
    ),
    # The same, section 4.2 (RaGAN): each image beside the mean of the others. The mean is that of a part of the batch.
    "relativistic_average": Loss(
        lambda real, fake: softplus(fake.mean() - real) + softplus(fake - real.mean()),
        lambda fake, real: softplus(real.mean() - fake) + softplus(real - fake.mean()),
        paired=True,
    ),
}


def smoothed(loss: Loss, s: float) -> Loss:
    """The loss where D's label of real images is 1 - s, that of generated ones still 0; s in [0, 1).

    One-sided label smoothing (Salimans et al. 2016, "Improved techniques for training GANs", section 3.4). Raises
    ValueError for a loss without labels.
    """
    if s == 0:
        return loss
    if (added := loss.smoothing) is None:
        raise ValueError("expected a loss whose logits have labels")
    return replace(loss, discriminator=lambda real, fake: loss.discriminator(real, fake) + added(real, s))
