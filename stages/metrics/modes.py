"""Modes of stacked images that samples reach, and how evenly (Metz et al. 2017, section 3.3.1; PacGAN, section 4.2)."""

import math

import torch
from torch import Tensor

from stages.metrics.classes import class_histogram
from stages.metrics.resampling import Estimate, Influences, centred


def modes_found(recognised: Tensor, num_modes: int) -> int:
    """How many of the modes occur among those recognised, int64 [N]."""
    return int((class_histogram(recognised, num_modes) > 0).sum())


def reverse_kl(recognised: Tensor, num_modes: int) -> Estimate:
    """KL divergence of the recognised modes, int64 [N], from equal shares, in [0, log num_modes] nats.

    With shares p: the sum of p log(p num_modes), in which a mode that no sample has adds 0. Reverse: the samples'
    shares come first. Of N samples it is biased: see uniform_reverse_kl.
    """
    shares = class_histogram(recognised, num_modes).double() / len(recognised)
    logs = (shares * num_modes).clamp(min=torch.finfo(torch.float64).tiny).log()
    # The slope of the sum by the share of a mode is its log, and a constant that centring removes.
    return Estimate((shares * logs).sum().item(), Influences(candidate=centred(logs[recognised])))


def uniform_reverse_kl(num_modes: int, num_images: int) -> float:
    """What reverse_kl is in the mean for samples whose modes are drawn with equal probability: exact.

    A mode has X of N samples, X binomial with probability 1/K: the mean is K E[X/N log(K X/N)], about (K - 1) / 2N.
    """
    if num_modes == 1:
        return 0.0
    counts = torch.arange(1, num_images + 1, dtype=torch.float64)
    share, total = 1 / num_modes, torch.tensor(float(num_images), dtype=torch.float64)
    log_ways = torch.lgamma(total + 1) - torch.lgamma(counts + 1) - torch.lgamma(total - counts + 1)
    log_probability = log_ways + counts * math.log(share) + (total - counts) * math.log1p(-share)
    terms = log_probability.exp() * counts / total * (counts * num_modes / total).log()
    return num_modes * terms.sum().item()
