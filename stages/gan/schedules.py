"""What changes in the course of a training: learning rates, weights of penalties, the average of G, instance noise.

The burn-in of Huang et al. 2024, "The GAN is dead; long live the GAN!" (R3GAN): a high learning rate and penalty and a
short average at first, each on half a cosine to its final value. There the learning rate stays after that; here its
linear fall to lr_decay goes on beside it. Their schedule of Adam's beta2 is left out.
"""

import math

from stages.gan.settings import Settings


def learning_rate_factor(settings: Settings, step: int) -> float:
    """Of lr_g and lr_d in that step (0 is the first): linear from 1 to lr_decay at the end, times the burn-in's."""
    linear = 1 - (1 - settings.lr_decay) * step / settings.total_steps
    return linear * burn_in_factor(settings, step, settings.burn_in.lr)


def penalty_factor(settings: Settings, step: int) -> float:
    """Of the weights of all penalties in that step."""
    return burn_in_factor(settings, step, settings.burn_in.penalty)


def ema_halflife_kimg(settings: Settings, step: int) -> float:
    """The half-life of G's average in that step."""
    return settings.ema_halflife_kimg * burn_in_factor(settings, step, settings.burn_in.ema_halflife)


def noise_std(settings: Settings, step: int) -> float:
    """The standard deviation of the instance noise in that step: linear from std to 0 at `until` of the training."""
    noise = settings.instance_noise
    return noise.std * max(0.0, 1 - step / (noise.until * settings.total_steps))


def burn_in_factor(settings: Settings, step: int, first: float) -> float:
    """From `first` at step 0 to 1 after burn_in.kimg, on half a cosine; 1 where there is no burn-in."""
    kimg, length = settings.kimg_shown(step), settings.burn_in.kimg
    if kimg >= length:
        return 1.0
    return 1 + (first - 1) * (1 + math.cos(math.pi * kimg / length)) / 2
