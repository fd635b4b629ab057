"""The frames of the training's animation, one picture each, so that the page can stop and go back and forth."""

import io

import numpy as np
from PIL import Image

from stages.common.grids import BORDER, Levels, enlargement, png
from stages.evaluation.animation import STRIP_PIXELS


def frames_of(animation: bytes, image_shape: list[int]) -> list[bytes]:
    """Each frame of the GIF as a PNG: the samples alone, a pixel a pixel, where the GIF enlarges them.

    image_shape: [C, H, W] of a sample. The curve below them is left out: the page draws its own.
    """
    _, height, width = image_shape
    times = enlargement(height, width)
    pictures = []
    with Image.open(io.BytesIO(animation)) as moving:
        for number in range(getattr(moving, "n_frames", 1)):
            moving.seek(number)
            levels = np.asarray(moving.convert("L" if image_shape[0] == 1 else "RGB"))
            pictures.append(png(Image.fromarray(_reduced(levels[:-STRIP_PIXELS], height, width, times))))
    return pictures


def _reduced(levels: Levels, height: int, width: int, times: int) -> Levels:
    """A grid of enlarged images with every pixel once; the borders stay as they are."""
    rows, columns = (_once(size, side, times) for size, side in zip(levels.shape[:2], (height, width), strict=True))
    return np.ascontiguousarray(levels[rows][:, columns])


def _once(size: int, side: int, times: int) -> list[int]:
    """Along one axis of a grid, where each pixel begins: those of borders, and of images `times` as large."""
    period = side * times + BORDER
    return [place for place in range(size) if place % period < BORDER or (place % period - BORDER) % times == 0]
