"""An exponential moving average of the generator: the network that samples are drawn from."""

import copy

import torch
from torch import nn


def ema_decay(batch_kimg: float, kimg: float, halflife_kimg: float, rampup: float = 0.05) -> float:
    """The weight of the old average in one update.

    0.5 ** (batch / half-life), as Karras et al. 2020 (StyleGAN2-ADA) count it; the half-life is at most `rampup` times
    the kimg seen so far, so that the initial weights are forgotten soon.
    """
    halflife = min(halflife_kimg, rampup * kimg)
    return 0.5 ** (batch_kimg / halflife) if halflife > 0 else 0.0


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode that no gradient reaches."""
    return copy.deepcopy(module).eval().requires_grad_(False)


@torch.no_grad()
def update_ema(ema: nn.Module, module: nn.Module, decay: float | torch.Tensor) -> None:
    """ema = decay * ema + (1 - decay) * module, in place; decay: a number, or float64 [].

    Float buffers (BatchNorm's running statistics) are averaged like weights: statistics that belong to the weights
    of many steps fit their average better than those of the last step. Integer buffers are copied.
    """
    weight = 1 - decay
    if isinstance(weight, torch.Tensor):
        weight = weight.float()
    for mine, theirs in zip(_tensors(ema), _tensors(module), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, weight)
        else:
            mine.copy_(theirs)


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]
