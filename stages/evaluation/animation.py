"""The training as an animation: samples of fixed latents, above the curve of their distance to real images."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from stages.common.grids import Levels
from stages.evaluation.drawing import Axes, Figure, new_figure, pixels_of

MOST_FRAMES = 40
FRAME_MS, LAST_MS = 350, 3000
STRIP_PIXELS = 130
"""Height of the curve below the samples."""
WIDE, MOST_COLUMNS, ROWS, MOST_ROWS = 10, 16, 5, 8
ROOM = 1.25
"""How far the axis of distances goes beyond their range, as a factor."""


class Frame(NamedTuple):
    """A moment of the training. kimg: thousands of real images shown so far; distance: to real images."""

    kimg: float
    distance: float
    samples: Levels


def frames_shown(count: int) -> list[int]:
    """Which of `count` moments become frames: all, or MOST_FRAMES of them, evenly, with the first and the last."""
    if count <= MOST_FRAMES:
        return list(range(count))
    return [round(frame * (count - 1) / (MOST_FRAMES - 1)) for frame in range(MOST_FRAMES)]


def layout(num_classes: int) -> tuple[int, int]:
    """Rows and columns of the samples: a column a class, or two and more of few classes; many share the columns."""
    if num_classes > MOST_COLUMNS:
        return min(MOST_ROWS, -(-num_classes // MOST_COLUMNS)), MOST_COLUMNS
    return ROWS, num_classes * max(1, WIDE // num_classes)


def animation(frames: Sequence[Frame], floor: float | None) -> bytes:
    """A GIF that shows the frames in their order again and again, the last one longer.

    frames: of one size, at least one; floor: the distance of other real images, if it is known. Grey samples keep their
    levels; colours become the 256 that fit best. GIF, because `dvc plots` shows no WebP.
    """
    width = frames[0].samples.shape[1]
    kimg, distances = [frame.kimg for frame in frames], [frame.distance for frame in frames]
    figure = curve_figure(width, kimg, distances, floor)
    pictures = [_joined(frame.samples, _strip(figure, frame)) for frame in frames]
    content = io.BytesIO()
    durations = [FRAME_MS] * (len(pictures) - 1) + [LAST_MS]
    pictures[0].save(
        content, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
    )
    return content.getvalue()


def curve_figure(width: int, kimg: list[float], distances: list[float], floor: float | None) -> Figure:
    """The curve without a moment marked, `width` pixels wide, in greys."""
    figure = new_figure(width, STRIP_PIXELS, in_pixels=True)
    axes = figure.subplots()
    axes.plot(kimg, distances, color="0.55")
    axes.plot([], [], "o", color="black", markersize=7)  # the moment
    if floor is not None:
        axes.axhline(floor, color="0.55", linestyle="--", linewidth=1)
        axes.annotate(
            f"other real images {floor:.2f}", (0.99, floor), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    known = [*distances, *([] if floor is None else [floor])]
    if min(known) > 0:
        axes.set_yscale("log", subs=[])
        axes.set_ylim(min(known) / ROOM, max(known) * ROOM)
    axes.set_yticks([])
    axes.minorticks_off()
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def mark(axes: Axes, frame: Frame) -> None:
    """Mark that moment on the curve, and name it above."""
    axes.lines[1].set_data([frame.kimg], [frame.distance])
    axes.set_title(f"after {frame.kimg:g} kimg", loc="left", x=0.01)
    axes.set_title(f"distance to real images {frame.distance:.2f}", loc="right", x=0.99)


def _strip(figure: Figure, frame: Frame) -> Levels:
    """The curve with that moment marked, as grey levels [STRIP_PIXELS, W]."""
    mark(figure.axes[0], frame)
    return pixels_of(figure)[..., 0]


def _joined(samples: Levels, strip: Levels) -> Image.Image:
    """Samples above the curve, in at most 256 levels or colours."""
    if samples.ndim == 2:
        return Image.fromarray(np.concatenate([samples, strip]))
    colours = np.concatenate([samples, np.repeat(strip[..., None], 3, axis=2)])
    return Image.fromarray(colours).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
