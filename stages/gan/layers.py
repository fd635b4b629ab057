"""What networks share."""

from torch import Tensor


def unit_mean_square(x: Tensor) -> Tensor:
    """Each row of [B, N] divided by its root mean square (PixelNorm of Karras et al. 2018, "Progressive growing")."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()  # [B, N]
