"""Grids of images: where each one is, how large, and in which colours."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from stages.common.grids import BORDER, enlargement, grid, grid_png
from stages.common.images import to_float, to_levels

LEVELS = torch.tensor([0, 50, 100, 150, 200], dtype=torch.uint8)


def test_images_follow_each_other_row_by_row() -> None:
    images = to_float(LEVELS)[:, None, None, None].expand(5, 1, 4, 6)
    pixels = grid(images, columns=3, times=1)
    # A border of 2 pixels around and between pictures of 4 x 6.
    assert pixels.shape == (2 + 2 * (4 + 2), 2 + 3 * (6 + 2))
    centres = pixels[[4, 10]][:, [5, 13, 21]]
    assert centres.tolist() == [[0, 50, 100], [150, 200, 255]]
    for border in (pixels[:2], pixels[-2:], pixels[6:8], pixels[:, :2], pixels[:, -2:], pixels[:, 8:10]):
        assert (border == 255).all()


@pytest.mark.parametrize(("side", "times"), [(28, 3), (32, 3), (64, 2), (128, 1), (256, 1), (4, 4)])
def test_each_pixel_becomes_a_square(side: int, times: int) -> None:
    images = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(side)) * 2 - 1
    assert enlargement(side, side) == times
    second = grid(images, columns=2)[BORDER:-BORDER, 2 * BORDER + side * times : -BORDER]
    expected = np.kron(to_levels(images)[1, 0].numpy(), np.ones((times, times), dtype=np.uint8))
    assert np.array_equal(second, expected)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "RGB"), (3, "RGB"), (5, "RGB")])
def test_a_file_is_grey_only_where_the_images_are(channels: int, mode: str) -> None:
    images = torch.rand(3, channels, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = Image.open(io.BytesIO(grid_png(images, columns=3)))
    assert picture.mode == mode
    assert np.array_equal(np.asarray(picture), grid(images, columns=3))
    for channel in range(min(3, channels) if channels > 1 else 0):
        shown = grid(images, columns=3)[BORDER : BORDER + 32 : 4, BORDER : BORDER + 32 : 4, channel]
        assert np.array_equal(shown, to_levels(images)[0, channel].numpy())


def test_a_grid_has_the_same_bytes_each_time() -> None:
    images = torch.linspace(-1, 1, 20 * 28 * 28).view(20, 1, 28, 28)
    assert grid_png(images, columns=10) == grid_png(images.clone(), columns=10)


def test_a_single_image_takes_no_room_for_others() -> None:
    assert grid(torch.zeros(1, 1, 4, 4), columns=10, times=1).shape == (8, 8)
