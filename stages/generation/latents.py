"""Ways through the space of latents: lines, arithmetic, truncation. Pure functions of vectors."""

import math

import torch
from torch import Tensor, nn

PARALLEL = 1e-6
"""Sines below this are of float32 cosines of exactly 1 or -1."""


def straight(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Linear interpolation: start at t = 0, end at t = 1. Arguments as those of spherical."""
    return (1 - t) * start + t * end


def spherical(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) along the last dimension: start at t = 0, end at t = 1.

    Gaussian latents lie near a sphere; a straight line would cut through its empty inside (White 2016).
    start, end: broadcastable [..., N]; t: broadcastable [..., 1] in [0, 1]. Parallel vectors, as all are where N is 1,
    lie on no one great circle: between them the way is straight.
    """
    cosine = nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1).unsqueeze(-1)
    angle = cosine.acos()
    weights = torch.sin((1 - t) * angle), torch.sin(t * angle)
    on_the_circle = (weights[0] * start + weights[1] * end) / torch.sin(angle)
    return torch.where(torch.sin(angle).abs() < PARALLEL, straight(start, end, t), on_the_circle)


def analogy(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """What is to c as a is to b: a - b + c, as long as c, so that it stays where latents lie.

    a, b, c: broadcastable [..., N]. Radford et al. 2015, section 6.3.2 ("man with glasses" - "man" + "woman").
    """
    moved = a - b + c
    lengths = moved.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(moved.dtype).tiny)
    return moved * (c.norm(dim=-1, keepdim=True) / lengths)


def truncated(z: Tensor, cut: float | None) -> Tensor:
    """Standard normal entries as those of a normal distribution that ends at -cut and cut; None: as they are.

    Brock et al. 2019, "Large scale GAN training", section 3.1, draw an entry beyond the cut again. Here each entry
    keeps its quantile instead: the distribution is the same, and an image changes smoothly with the cut.
    z: float32 [..., N]; cut: above 0.
    """
    if cut is None:
        return z
    beyond = 0.5 * math.erfc(cut / math.sqrt(2))  # P(Z > cut)
    # P(Z > |z|) is at most a half, and exact however far out z lies.
    tail = torch.special.ndtr(-z.double().abs())
    size = -torch.special.ndtri(beyond + tail * (1 - 2 * beyond))
    return (size.clamp(0, cut).copysign(z.double())).to(z.dtype)


def pulled(z: Tensor, typical: Tensor, pull: float) -> Tensor:
    """Latents turned towards others on the sphere, by a part of the angle between them; 0 leaves them as they are.

    The truncation trick of Karras et al. 2019, "A style-based generator architecture", section B, for generators that
    read only the direction of a latent, which `truncated` hardly changes. z, typical: [..., N]; pull: in [0, 1].
    """
    if pull == 0:
        return z
    lengths = z.norm(dim=-1, keepdim=True)
    centre = typical * (lengths / typical.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny))
    return spherical(z, centre, torch.full((1,), pull))
