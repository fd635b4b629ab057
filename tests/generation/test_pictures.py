"""The pictures of a generator that was made by hand, so that each image tells its latent and its class.

Its images have a stroke: the first entry of z says how much ink it has, the second how slanted it is; the level of the
corner is the class.
"""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from stages.common.grids import Levels
from stages.gan.sampler import Sampler
from stages.generation.captions import LINE
from stages.generation.latents import spherical, straight
from stages.generation.pictures import arithmetic, classes, interpolations, samples
from stages.generation.registry import PICTURES
from stages.generation.subject import Subject

CELL, SIDE = 86, 28
NAMES = ["zero", "one", "two"]


class Strokes(nn.Module):
    """z [B, 8] and y [B] to grey images [B, 1, 28, 28]."""

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        z = 1.5 * z / z.square().mean(dim=1, keepdim=True).sqrt()
        up, right = torch.meshgrid(torch.arange(13.5, -14, -1), torch.arange(-13.5, 14), indexing="ij")
        width, lean = (1.5 + z[:, 0].sigmoid() * 4)[:, None, None], (z[:, 1] / 4).tanh()[:, None, None]
        images = 2 * torch.sigmoid(width - (right - lean * up).abs()) * (up.abs() < 10) - 1
        images[:, 0, 0] = y / 10
        return images.unsqueeze(1)


def subject(labels: Sequence[int] = (0, 1, 2), numbers: Sequence[int] = range(10), num_classes: int = 3) -> Subject:
    sampler = Sampler(Strokes(), 8, num_classes, seed=1, source="strokes")
    return Subject(sampler, NAMES, list(labels), list(numbers), cut=None)


def cells(png: bytes, columns: int) -> Levels:
    """The images of a grid in the lower right corner, [rows, columns, 28, 28], as levels."""
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    rows = (pixels.shape[0] - 2) // CELL
    pixels = pixels[-(rows * CELL + 2) :, -(columns * CELL + 2) :]
    tops, lefts = (range(2, 2 + count * CELL, CELL) for count in (rows, columns))
    return np.stack([[pixels[top : top + 84 : 3, left : left + 84 : 3] for left in lefts] for top in tops])


def levels(images: Tensor) -> Levels:
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def test_samples_follow_each_other_row_by_row() -> None:
    shown = cells(samples.draw(subject()), 3)
    z = subject().sampler.latents("z", 30)
    expected = Strokes()(z, torch.arange(30) % 3)
    assert np.array_equal(shown.reshape(30, SIDE, SIDE), levels(expected[:, 0]))


def test_a_row_of_classes_has_the_latent_of_the_sample_with_its_number() -> None:
    shown = cells(classes.draw(subject(numbers=[7, 0, 99])), 3)
    z = subject().sampler.latents("z", 100)[[7, 0, 99]]
    for label in range(3):
        assert np.array_equal(shown[:, label], levels(Strokes()(z, torch.full((3,), label))[:, 0]))


def test_interpolations_lead_from_number_to_number_on_both_ways() -> None:
    shown = cells(interpolations.draw(subject(labels=[2], numbers=[4, 9, 1, 0, 3])), 10)
    z = subject().sampler.latents("z", 10)
    t = torch.linspace(0, 1, 10)[:, None]
    for pair, (start, end) in enumerate([(4, 9), (1, 0)]):
        for row, way in enumerate((spherical, straight)):
            expected = Strokes()(way(z[start], z[end], t), torch.full((10,), 2))
            difference = shown[2 * pair + row].astype(int) - levels(expected[:, 0])
            assert np.abs(difference).max() <= 1
    assert len(shown) == 4  # the last number has no partner


@pytest.mark.parametrize("trait", [0, 1])
def test_arithmetic_carries_a_trait_over_to_other_images_and_to_another_class(trait: int) -> None:
    shown = torch.from_numpy(cells(arithmetic.draw(subject()), 6)).float() / 127.5 - 1
    own = shown[:5] if trait == 0 else shown[5:]
    measured = list(arithmetic.TRAITS.values())[trait](own.flatten(0, 1).unsqueeze(1)).view(5, 6)
    a, b, c, moved_c, d, moved_d = measured.unbind(1)
    assert (a > b).all()
    assert (moved_c > c).all()
    assert (moved_d > d).all()
    labels = own[..., 0, 0].mul(10).round().long().tolist()
    assert labels == [[y] * 4 + [(y + 1) % 3] * 2 for y in (0, 1, 2, 0, 1)]


def test_ink_and_slant_of_known_images() -> None:
    image = torch.full((3, 1, 8, 8), -1.0)
    image[0] = 1  # full
    image[1, 0] = torch.eye(8).flip(0) * 2 - 1  # a line to the upper right, 45 degrees
    assert arithmetic.ink(image).tolist() == [1.0, 0.125, 0.0]
    assert arithmetic.slant(image).tolist() == pytest.approx([0, 1, 0], abs=1e-5)
    assert arithmetic.slant(image.flip(3))[1].item() == pytest.approx(-1)


def test_colours_are_shown() -> None:
    class Coloured(nn.Module):
        def forward(self, z: Tensor, y: Tensor) -> Tensor:
            return Strokes()(z, y) * torch.tensor([1.0, -1.0, 0.2]).view(3, 1, 1)

    of_colours = Subject(Sampler(Coloured(), 8, 3, 1, "colours"), NAMES, [0, 1, 2], list(range(10)), None)
    for draw in PICTURES.values():
        assert Image.open(io.BytesIO(draw(of_colours))).mode == "RGB"


@pytest.mark.parametrize("count", [1, 2, 62, 200])
def test_pictures_bear_few_and_many_classes_and_names_in_any_script(count: int) -> None:
    names = [f"\N{HIRAGANA LETTER KI}{number}" for number in range(count)]
    many = Subject(Sampler(Strokes(), 8, count, 1, "many"), names, list(range(count)), [3, 5], None)
    for name, draw in PICTURES.items():
        width, height = Image.open(io.BytesIO(draw(many))).size
        assert width <= 64 * CELL + 2 + LINE, name
        assert height <= 10 * CELL + 2 + LINE, name


def test_without_classes_there_are_no_names_and_no_copies() -> None:
    without = subject(num_classes=0)
    assert cells(classes.draw(without), 1).shape == (10, 1, SIDE, SIDE)
    assert Image.open(io.BytesIO(samples.draw(without))).size == (3 * CELL + 2, 10 * CELL + 2)
    for draw in PICTURES.values():
        assert draw(without)


def test_codes_have_a_column_each_and_names_that_are_no_classes() -> None:
    """As those of InfoGAN, which the sampler counts as no classes."""
    codes = replace(subject(num_classes=0), num_codes=3)
    assert np.array_equal(cells(classes.draw(codes), 3), cells(classes.draw(subject()), 3))
    assert codes.names_of([2, 0]) == ["code 2", "code 0"]
    assert samples.draw(codes) not in (samples.draw(subject()), samples.draw(subject(num_classes=0)))
    assert arithmetic.draw(codes) != arithmetic.draw(subject(num_classes=0))
