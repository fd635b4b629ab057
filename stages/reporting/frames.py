"""The frames of the training's animation, one picture each, so that the page can stop and go back and forth."""

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image, UnidentifiedImageError

from stages.common.grids import BORDER, Levels, enlargement, png
from stages.common.shown import one_line
from stages.evaluation.animation import MOST_COLUMNS, MOST_FRAMES, MOST_ROWS, STRIP_PIXELS

MAGIC, SIZE_AT = (b"GIF87a", b"GIF89a"), 6
"""How a GIF begins; after that, width and height of its screen."""


def frames_of(animation: bytes, image_shape: list[int]) -> list[bytes]:
    """Each frame of the GIF as a PNG: the samples alone, a pixel a pixel, where the GIF enlarges them.

    image_shape: [C, H, W] of a sample. The curve below them is left out: the page draws its own. Raises ValueError, in
    one line, for anything that is no such GIF.
    """
    try:
        return list(_frames(animation, image_shape))
    except UnidentifiedImageError:  # its message shows how the bytes are held here
        raise ValueError("a broken header") from None
    except MemoryError:
        raise
    except Exception as error:  # a decoder of damaged bytes raises whatever their numbers lead to
        raise ValueError(one_line(error) or type(error).__name__) from None


def _frames(animation: bytes, image_shape: list[int]) -> Iterator[bytes]:
    channels, height, width = image_shape
    times = enlargement(height, width)
    if not animation.startswith(MAGIC):
        raise ValueError("expected a GIF")
    _require_screen(struct.unpack_from("<2H", animation, SIZE_AT), height, width)
    with Image.open(io.BytesIO(animation), formats=["GIF"]) as moving:
        count = getattr(moving, "n_frames", 1)
        if count > MOST_FRAMES:
            raise ValueError(f"expected at most {MOST_FRAMES} frames, found {count}")
        for number in range(count):
            moving.seek(number)
            _require_screen(moving.size, height, width)  # a frame can lie beyond the screen, which then grows
            levels = np.asarray(moving.convert("L" if channels == 1 else "RGB"))
            yield png(Image.fromarray(_reduced(levels[:-STRIP_PIXELS], height, width, times)))


def _require_screen(size: tuple[int, ...], height: int, width: int) -> None:
    """Raise ValueError for a screen, as width and height, that is not of samples above a curve, before it is drawn."""
    times = enlargement(height, width)
    most = MOST_COLUMNS * (width * times + BORDER) + BORDER, MOST_ROWS * (height * times + BORDER) + BORDER
    if not (0 < size[0] <= most[0] and STRIP_PIXELS < size[1] <= most[1] + STRIP_PIXELS):
        expected = f"at most {most[0]} x {most[1] + STRIP_PIXELS} pixels, of which {STRIP_PIXELS} rows are a curve"
        raise ValueError(f"expected {expected}, found {size[0]} x {size[1]}")


def _reduced(levels: Levels, height: int, width: int, times: int) -> Levels:
    """A grid of enlarged images with every pixel once; the borders stay as they are."""
    rows, columns = (_once(size, side, times) for size, side in zip(levels.shape[:2], (height, width), strict=True))
    return np.ascontiguousarray(levels[rows][:, columns])


def _once(size: int, side: int, times: int) -> list[int]:
    """Along one axis of a grid, where each pixel begins: those of borders, and of images `times` as large."""
    period = side * times + BORDER
    return [place for place in range(size) if place % period < BORDER or (place % period - BORDER) % times == 0]
