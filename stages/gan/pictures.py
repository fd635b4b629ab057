"""Grids of digits during training, a column for each class: samples from fixed latents, and real digits likewise."""

import math

import torch
from torch import Tensor, nn

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.grids import MOST_COLUMNS, grid_png
from stages.common.images import ImageSet

GRID_ROWS = 10
MOST_EPOCHS = 100
"""Of a longer training, every n-th epoch ends with a picture, for the smallest n that makes no more than these."""


def epochs_between(total_epochs: int) -> int:
    """Epochs from one picture of a training to the next."""
    return max(1, math.ceil(total_epochs / MOST_EPOCHS))


def sample_grid(generator: nn.Module, num_classes: int, z_dim: int, seed: int, device: torch.device) -> bytes:
    """A PNG of samples; z is the same for the same seed, and column i shows class i."""
    columns = min(num_classes, MOST_COLUMNS)
    n = GRID_ROWS * columns
    z = draws.normal_rows(seed, "train_gan.grid", range(n), z_dim).to(device)
    return grid_png(in_blocks(generator, z, (torch.arange(n) % columns).to(device)), columns)


def real_grid(digits: ImageSet) -> bytes:
    """A PNG of the first digits of each class in the same layout; blank where a class has too few."""
    columns = min(len(digits.classes), MOST_COLUMNS)
    grid: Tensor = digits.images.new_full((GRID_ROWS, columns, *digits.images.shape[1:]), -1)
    for y in range(columns):
        images = digits.images[digits.labels == y][:GRID_ROWS]
        grid[: len(images), y] = images
    return grid_png(grid.flatten(0, 1), columns)
