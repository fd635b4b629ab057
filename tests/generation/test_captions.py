"""Captions beside a grid: where they are, that they fit, and that the images stay as they were."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from stages.common import draws
from stages.common.grids import Levels, grid
from stages.evaluation.drawing import FONT
from stages.generation.captions import LINE, captioned, fitted

IMAGES = draws.uniform(0, "images", 0, (6, 1, 28, 28)) * 2 - 1


def pixels(png: bytes) -> Levels:
    return np.asarray(Image.open(io.BytesIO(png)))


def columns_with_ink(levels: Levels) -> list[int]:
    return np.flatnonzero((levels < 128).any(axis=0)).tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_grid_is_in_the_lower_right_corner(channels: int) -> None:
    images = IMAGES.expand(-1, channels, -1, -1)
    made, plain = pixels(captioned(images, 3, above="abc", left=["first", "second"])), grid(images, 3)
    assert made.shape[0] == plain.shape[0] + LINE
    assert np.array_equal(made[LINE:, -plain.shape[1] :], plain)


def test_without_captions_there_is_only_the_grid() -> None:
    assert np.array_equal(pixels(captioned(IMAGES, 3)), grid(IMAGES, 3))
    assert np.array_equal(pixels(captioned(IMAGES, 3, above=["", "", ""])), grid(IMAGES, 3))


def test_a_caption_is_above_the_middle_of_its_column() -> None:
    ink = columns_with_ink(pixels(captioned(IMAGES, 3, above=["", "o", ""]))[:LINE])
    middle = 2 + 86 + 84 / 2
    assert abs(np.mean(ink) - middle) <= 1


def test_a_caption_is_beside_the_middle_of_its_row() -> None:
    made = pixels(captioned(IMAGES, 3, left=["", "o"]))
    margin = made.shape[1] - grid(IMAGES, 3).shape[1]
    rows = np.flatnonzero((made[:, :margin] < 128).any(axis=1))
    assert abs(rows.mean() - (2 + 86 + 84 / 2)) <= 2


def test_long_captions_do_not_reach_the_next_column() -> None:
    first = columns_with_ink(pixels(captioned(IMAGES, 3, above=["Rechtschreibreform", "", ""]))[:LINE])
    assert max(first) < 2 + 86
    font = ImageFont.truetype(str(FONT), 13, layout_engine=ImageFont.Layout.BASIC)
    text = fitted("Rechtschreibreform", 84, font)
    assert "Rechtschreibreform".startswith(text[:-1])
    assert text.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert len(text) > 6
    assert fitted("short", 84, font) == "short"
    assert fitted("W", 3, font) == ""


def test_the_same_content_gives_the_same_bytes() -> None:
    assert captioned(IMAGES, 3, above="abc") == captioned(torch.clone(IMAGES), 3, above="abc")
