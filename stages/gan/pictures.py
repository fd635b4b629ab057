"""Grids of digits during training, a column for each class: samples from fixed latents, and real digits likewise."""

import math

import torch
from torch import Tensor, nn

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.images import ImageSet, grid_png

GRID_ROWS = 10
MOST_COLUMNS = 100
"""Of more classes, as stacks have, the first MANY_COLUMNS are shown."""
MANY_COLUMNS = 20
MOST_EPOCHS = 100
"""Of a longer training, every n-th epoch ends with a picture, for the smallest n that makes no more than these."""


def epochs_between(total_epochs: int) -> int:
    """Epochs from one picture of a training to the next."""
    return max(1, math.ceil(total_epochs / MOST_EPOCHS))


def columns(num_classes: int) -> int:
    """How many classes a grid shows."""
    return num_classes if num_classes <= MOST_COLUMNS else MANY_COLUMNS


def sample_grid(generator: nn.Module, num_columns: int, z_dim: int, seed: int, device: torch.device) -> bytes:
    """A PNG of samples; z is the same for the same seed, and column i shows class i."""
    num_columns = columns(num_columns)
    n = GRID_ROWS * num_columns
    z = draws.normal_rows(seed, "train_gan.grid", range(n), z_dim).to(device)
    return grid_png(in_blocks(generator, z, (torch.arange(n) % num_columns).to(device)), num_columns)


def real_grid(digits: ImageSet) -> bytes:
    """A PNG of the first digits of each class in the same layout; blank where a class has too few."""
    num_columns = columns(len(digits.classes))
    grid: Tensor = digits.images.new_full((GRID_ROWS, num_columns, *digits.images.shape[1:]), -1)
    for y in range(num_columns):
        images = digits.images[digits.labels == y][:GRID_ROWS]
        grid[: len(images), y] = images
    return grid_png(grid.flatten(0, 1), num_columns)
