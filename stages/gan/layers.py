"""What networks share."""

import math

from torch import Tensor, nn


def unit_mean_square(x: Tensor) -> Tensor:
    """Each row of [B, N] divided by its root mean square (PixelNorm of Karras et al. 2018, "Progressive growing")."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()  # [B, N]


class ReachingTanh(nn.Module):
    """sqrt(2) tanh(x), cut off at -1 and 1: images [B, C, H, W] whose pixels can be wholly black or white.

    Four fifths of a digit's pixels are exactly black, which tanh itself approaches but never reaches; a cut without
    tanh, on the other hand, leaves too few of the faint greys at the edge of a stroke. At the cut the slope is half of
    that at 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, to values in [-1, 1]."""
        return (math.sqrt(2) * x.tanh()).clamp(-1, 1)
