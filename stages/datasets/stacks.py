"""Stacked images: several grey ones as the channels of one, so that the classes multiply to modes that can be counted.

Stacked MNIST (Metz et al. 2017, "Unrolled generative adversarial networks", section 3.3.1; Srivastava et al. 2017,
"VEEGAN") has three digits as red, green and blue: 1,000 modes.
"""

from itertools import product

import torch
from torch import Tensor

from stages.common import draws


def stacked(
    levels: Tensor, labels: Tensor, num_stacks: int, channels: int, num_classes: int, seed: int, purpose: str
) -> tuple[Tensor, Tensor]:
    """Stacks uint8 [num_stacks, channels, H, W] of grey images uint8 [N, 1, H, W], and their modes int64 [num_stacks].

    labels: int64 [N], from 0 to num_classes - 1. A mode is the number that the channels' labels make as digits to the
    base num_classes. Each channel walks permutations of its own end to end, functions of (seed, purpose, channel); so
    after N stacks every image was in each channel equally often.
    """
    stacks = levels.new_empty((num_stacks, channels, *levels.shape[2:]))
    modes = torch.zeros(num_stacks, dtype=torch.int64)
    for channel in range(channels):
        rows = draws.BatchOrder(seed, f"{purpose}.channel_{channel}", len(levels), num_stacks).rows(0)
        stacks[:, channel] = levels[rows, 0]
        modes = modes * num_classes + labels[rows]
    return stacks, modes


def mode_names(names: list[str], channels: int) -> list[str]:
    """The names of all modes in their order, as 012, or as `coat + bag + coat` where a class has a longer name."""
    separator = "" if all(len(name) == 1 for name in names) else " + "
    return [separator.join(parts) for parts in product(names, repeat=channels)]
