"""Training a classifier: the shifts that it sees the digits in."""

import pytest
import torch

from stages.classifier.fit import shifted


@pytest.mark.parametrize("pixels", [1, 2])
def test_shifts_move_each_image_by_itself_and_let_background_in(pixels: int) -> None:
    """Against torch.roll on a wide border: every image must equal one of all allowed shifts of it."""
    images = torch.rand(60, 2, 6, 5, generator=torch.Generator().manual_seed(0)) * 0.9
    actual = shifted(images, pixels, seed=1, step=0)
    assert actual.shape == images.shape
    wide = torch.nn.functional.pad(images, [pixels] * 4, value=-1)
    seen = set()
    for image, border in zip(actual, wide, strict=True):
        matches = [
            (down, right)
            for down in range(-pixels, pixels + 1)
            for right in range(-pixels, pixels + 1)
            if torch.equal(image, border.roll((down, right), (1, 2))[:, pixels:-pixels, pixels:-pixels])
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) > 0.6 * (2 * pixels + 1) ** 2


def test_shifts_depend_on_seed_and_step_alone() -> None:
    images = torch.arange(8 * 36.0).view(8, 1, 6, 6) / 288
    first = shifted(images, 2, seed=1, step=3)
    assert torch.equal(shifted(images, 2, seed=1, step=3), first)
    assert not torch.equal(shifted(images, 2, seed=1, step=4), first)
    assert not torch.equal(shifted(images, 2, seed=2, step=3), first)
    assert torch.equal(shifted(images, 0, seed=1, step=3), images)
