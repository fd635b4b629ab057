"""What is done to real and generated images alike before D sees them, and so that gradients still reach G."""

from typing import Literal

import torch
from torch import Tensor

from stages.common import draws
from stages.gan.settings import Settings

BACKGROUND = -1.0
"""What comes in at the edge of a shifted image: black, as beside every digit. The paper has 0 there."""

Views = tuple[Tensor, Tensor]
"""How D sees each image of a batch: shifts int64 [B, 2] in pixels, down and right, and noise [B, C, H, W] to be added.
[B, 0] stands for none of either."""


def draw_views(
    settings: Settings, of: Literal["real", "fake"], batch: int, shape: torch.Size, noise_std: float
) -> Views:
    """The views of the real or generated images of that batch; shape: [C, H, W] of an image."""
    seed, n, most = settings.seed, settings.batch_size, settings.translation
    shifts = draws.integers(seed, f"train_gan.translation.{of}", batch, 2 * most + 1, (n, 2 if most else 0)) - most
    noise_shape = (n, *shape) if noise_std else (n, 0)
    return shifts, noise_std * draws.normal(seed, f"train_gan.instance_noise.{of}", batch, noise_shape)


def seen(images: Tensor, shifts: Tensor, noise: Tensor) -> Tensor:
    """The images [P, C, H, W] in these views.

    DiffAugment's translation (Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", section
    3), and instance noise (Sonderby et al. 2017, "Amortised MAP inference for image super-resolution", section 3.2).
    """
    images = translated(images, shifts) if shifts.numel() else images
    return images + noise if noise.numel() else images


def translated(images: Tensor, shifts: Tensor) -> Tensor:
    """Each image [P, C, H, W] moved by its own shifts int64 [P, 2], down and right; BACKGROUND comes in at the edge."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device) - shifts[:, :1]  # [P, H]: where each pixel comes from
    columns = torch.arange(width, device=images.device) - shifts[:, 1:]  # [P, W]
    inside = ((rows >= 0) & (rows < height)).unsqueeze(2) & ((columns >= 0) & (columns < width)).unsqueeze(1)
    numbers = torch.arange(len(images), device=images.device).view(-1, 1, 1)
    moved = images[numbers, :, rows.clamp(0, height - 1).unsqueeze(2), columns.clamp(0, width - 1).unsqueeze(1)]
    # No `where`: it copies the number to the device, for which a CUDA graph cannot wait.
    return moved.permute(0, 3, 1, 2).masked_fill(~inside.unsqueeze(1), BACKGROUND)  # [P, C, H, W]
