"""The animation of a training: frames read back by Pillow, what they say, and layouts for many classes."""

import io

import numpy as np
import pytest
from PIL import Image

from stages.common.grids import Levels
from stages.evaluation.animation import (
    LAST_MS,
    MOST_FRAMES,
    STRIP_PIXELS,
    Frame,
    animation,
    curve_figure,
    frames_shown,
    layout,
    mark,
)

KIMG, DISTANCES = [1.0, 2.5, 4.0], [9.0, 3.0, 0.25]


def samples(number: int, *channels: int) -> Levels:
    return np.random.default_rng(number).integers(0, 256, (60, 400, *channels), dtype=np.uint8)


def frames(*channels: int) -> list[Frame]:
    return [
        Frame(kimg, distance, samples(number, *channels))
        for number, (kimg, distance) in enumerate(zip(KIMG, DISTANCES, strict=True))
    ]


def read_back(content: bytes) -> list[tuple[Image.Image, int]]:
    """Each frame in colours, and the milliseconds for which it is shown."""
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "GIF"
    assert picture.info["loop"] == 0  # without end
    read = []
    for number in range(picture.n_frames):  # type: ignore[attr-defined]
        picture.seek(number)
        read.append((picture.convert("RGB"), picture.info["duration"]))
    return read


def test_frames_hold_the_grey_samples_exactly_in_the_order_of_training() -> None:
    read = read_back(animation(frames(), floor=0.5))
    assert [milliseconds for _, milliseconds in read] == [350, 350, LAST_MS]
    for (picture, _), frame in zip(read, frames(), strict=True):
        pixels = np.asarray(picture)
        assert pixels.shape == (60 + STRIP_PIXELS, 400, 3)
        assert np.array_equal(pixels[:60], np.repeat(frame.samples[..., None], 3, axis=2))
    strips = [np.asarray(picture)[60:] for picture, _ in read]
    assert not np.array_equal(strips[0], strips[1])


def test_colours_stay_near_what_they_were() -> None:
    levels = np.zeros((60, 400, 3), dtype=np.uint8)
    levels[:, :200] = (200, 30, 30)
    levels[:, 200:] = (20, 60, 220)
    ((picture, _),) = read_back(animation([Frame(1.0, 2.0, levels)], floor=None))
    assert np.abs(np.asarray(picture)[:60].astype(int) - levels).max() <= 3


def test_a_frame_says_how_long_the_training_was_and_how_far_the_samples_are() -> None:
    axes = curve_figure(800, KIMG, DISTANCES, floor=0.5).axes[0]
    assert axes.lines[0].get_xydata().tolist() == [[1, 9], [2.5, 3], [4, 0.25]]  # type: ignore[union-attr]
    assert axes.lines[2].get_ydata() == [0.5, 0.5]
    assert [text.get_text() for text in axes.texts] == ["other real images 0.50"]
    for frame in frames():
        mark(axes, frame)
        assert axes.lines[1].get_xydata().tolist() == [[frame.kimg, frame.distance]]  # type: ignore[union-attr]
        assert axes.get_title("left") == f"after {frame.kimg:g} kimg"
        assert axes.get_title("right") == f"distance to real images {frame.distance:.2f}"
    low, high = axes.get_ylim()
    assert low < min(DISTANCES)
    assert high > max(DISTANCES)


@pytest.mark.parametrize("distance", [0.0, -1e-9])
def test_a_distance_of_nothing_can_be_drawn(distance: float) -> None:
    assert len(read_back(animation([frames()[0], Frame(2.0, distance, samples(2))], floor=None))) == 2


def test_the_same_run_gives_the_same_bytes() -> None:
    assert animation(frames(), floor=0.5) == animation(frames(), floor=0.5)


@pytest.mark.parametrize("count", [1, 2, MOST_FRAMES, MOST_FRAMES + 1, 79, 1000])
def test_of_many_moments_some_are_shown_evenly(count: int) -> None:
    shown = frames_shown(count)
    assert len(shown) == min(count, MOST_FRAMES)
    assert (shown[0], shown[-1]) == (0, count - 1)
    steps = np.diff(shown)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1
    assert (steps > 0).all()


@pytest.mark.parametrize(
    ("num_classes", "expected"),
    [
        (1, (5, 10)),
        (2, (5, 10)),
        (3, (5, 9)),
        (10, (5, 10)),
        (16, (5, 16)),
        (26, (2, 16)),
        (62, (4, 16)),
        (1000, (8, 16)),
    ],
)
def test_layouts_show_every_class_of_up_to_128(num_classes: int, expected: tuple[int, int]) -> None:
    rows, columns = layout(num_classes)
    assert (rows, columns) == expected
    assert rows * columns >= min(num_classes, 128)
    if num_classes <= columns:
        assert columns % num_classes == 0  # each column one class
