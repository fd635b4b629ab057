"""Grids of images, enlarged until one can see them, and PNG files of them."""

import io

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from stages.common.images import to_colours, to_levels

BORDER = 2
"""White pixels around each image."""
SEEN_SIDE, MOST_TIMES = 96, 4
"""Pixels a side that an enlarged image comes near to, and how many times it is enlarged at most."""
MOST_COLUMNS = 64
"""Classes that a picture shows, a column each: the first ones. More would be too wide for a screen."""
WHITE = 255

Levels = npt.NDArray[np.uint8]
"""Grey [H, W], or red, green and blue [H, W, 3]."""


def enlargement(height: int, width: int) -> int:
    """How many times an image of that many pixels is enlarged: 3 for 28 and 32 pixels, 2 for 64."""
    return min(MOST_TIMES, max(1, round(SEEN_SIDE / max(height, width))))


def grid(images: Tensor, columns: int, times: int | None = None) -> Levels:
    """Images float32 [N, C, H, W] in [-1, 1], row by row, at most `columns` a row, with white borders between.

    times: of each pixel a square of so many, which blurs nothing; None: as `enlargement` has it. What the last row
    lacks is white. One channel gives grey.
    """
    levels = to_levels(images)
    levels = levels if levels.shape[1] == 1 else to_colours(levels)
    count, channels, height, width = levels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    times = times or enlargement(height, width)
    cells = levels.new_full((rows * columns, channels, height * times + BORDER, width * times + BORDER), WHITE)
    cells[:count, :, BORDER:, BORDER:] = levels.repeat_interleave(times, 2).repeat_interleave(times, 3)
    joined = cells.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # [H, W, C]
    whole = torch.nn.functional.pad(joined, (0, 0, 0, BORDER, 0, BORDER), value=WHITE)
    return whole.squeeze(2).numpy()


def grid_png(images: Tensor, columns: int) -> bytes:
    """That grid as a PNG."""
    return png(Image.fromarray(grid(images, columns)))


def png(picture: Image.Image) -> bytes:
    """A picture as PNG, as small as it gets."""
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return content.getvalue()
