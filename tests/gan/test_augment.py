"""Views of images against a slow reference, and the way back of gradients through them."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from stages.gan.augment import BACKGROUND, draw_views, seen, translated
from stages.gan.settings import Settings
from tests.gan.test_trainer import BATCH, SETTINGS

SHAPE = torch.Size([2, 5, 4])
IMAGES = torch.arange(3 * 40.0).mul(0.7).sin().view(3, *SHAPE)
SHIFTS = torch.tensor([[0, 0], [2, -1], [-7, 3]])
NONE = torch.empty(3, 0)


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(SETTINGS | changes)


def moved_pixel_by_pixel(images: Tensor, shifts: Tensor) -> Tensor:
    """What comes from outside of an image is black."""
    moved = torch.full_like(images, BACKGROUND)
    for number, (down, right) in enumerate(shifts.tolist()):
        for row in range(images.shape[2]):
            for column in range(images.shape[3]):
                if 0 <= row + down < images.shape[2] and 0 <= column + right < images.shape[3]:
                    moved[number, :, row + down, column + right] = images[number, :, row, column]
    return moved


def test_each_image_moves_down_and_right_by_its_own_shifts() -> None:
    assert torch.equal(translated(IMAGES, SHIFTS), moved_pixel_by_pixel(IMAGES, SHIFTS))


def test_gradients_come_back_to_the_pixels_that_are_still_seen() -> None:
    images = IMAGES.clone().requires_grad_()
    weights = torch.linspace(1, 2, IMAGES.numel()).view_as(IMAGES)
    (gradient,) = torch.autograd.grad((translated(images, SHIFTS) * weights).sum(), images)
    back = moved_pixel_by_pixel(weights, -SHIFTS)
    still_seen = moved_pixel_by_pixel(torch.ones_like(weights), -SHIFTS) == 1
    assert_close(gradient, back.where(still_seen, 0))


def test_without_shifts_and_noise_d_sees_the_images_themselves() -> None:
    made = settings(translation=0, instance_noise={"std": 0.0, "until": 0.5})
    shifts, noise = draw_views(made, "real", 0, SHAPE, noise_std=0.0)
    assert seen(IMAGES, shifts[:3], noise[:3]) is IMAGES


def test_noise_is_added_to_images_that_are_shifted_already() -> None:
    noise = torch.ones_like(IMAGES)
    assert torch.equal(seen(IMAGES, SHIFTS, noise), moved_pixel_by_pixel(IMAGES, SHIFTS) + 1)
    assert torch.equal(seen(IMAGES, NONE, noise), IMAGES + 1)


def test_draws_have_their_spread_and_differ_for_real_images_generated_ones_and_batches() -> None:
    made = settings(translation=2, batch_size=100 * BATCH)
    views = [draw_views(made, *which, SHAPE, 0.3) for which in (("real", 0), ("fake", 0), ("real", 1), ("real", 0))]
    shifts, noise = views[0]
    assert sorted(shifts.unique().tolist()) == [-2, -1, 0, 1, 2]
    assert shifts.shape == (100 * BATCH, 2)
    assert noise.shape == (100 * BATCH, *SHAPE)
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    for kind in (0, 1):
        first, *others, again = (view[kind] for view in views)
        assert torch.equal(first, again)
        assert not any(torch.equal(first, other) for other in others)
