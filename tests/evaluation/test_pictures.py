"""What the pictures of an evaluation show, on a handful of images."""

import dataclasses
import io

import pytest
import torch
from torchvision.utils import make_grid

from stages.common import draws
from stages.evaluation import pictures
from stages.evaluation.embedded import Embedded
from stages.metrics.memorisation import closeness

NAMES = ["cat", "dog", "owl"]
SAMPLES = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 1, 2]), labels=torch.tensor([0, 0, 1, 1]))
DIGITS = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 2, 2]), labels=torch.tensor([0, 1, 2, 2]))
UNLABELLED = dataclasses.replace(SAMPLES, labels=None)


def test_figure_shows_percent_of_each_asked_class() -> None:
    left, right = pictures.confusion_figure(NAMES, SAMPLES, DIGITS).axes
    shown = {text.get_position(): text.get_text() for text in left.texts}  # (recognised, asked): percent
    assert shown == {(0, 0): "50.0", (1, 0): "50.0", (1, 1): "50.0", (2, 1): "50.0"}
    assert {text.get_text() for text in right.texts} == {"100.0"}


def test_figure_without_asked_classes_says_so() -> None:
    figure = pictures.confusion_figure(NAMES, UNLABELLED, DIGITS)
    figure.savefig(io.BytesIO(), format="png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no class was asked for: the GAN is unconditional"]


def test_nearest_shows_of_each_class_the_image_nearest_to_a_training_digit() -> None:
    """Four images of two classes, at known distances; the pixels of an image tell its number."""
    training = torch.tensor([[0.0], [10.0], [20.0]])
    features = torch.tensor([[1.0], [10.5], [23.0], [18.0]])
    seen = Embedded(features, torch.tensor([0, 0, 1, 1]), None, closeness(training, features)[0])
    levels = torch.arange(7) / 10
    pixels = levels.view(-1, 1, 1, 1).expand(7, 1, 4, 5)
    figure = pictures.nearest_figure(NAMES, {"sample": (seen, pixels[:4])}, pixels[4:])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.50", "2.00", "-"]  # no image was recognised as an owl
    shown = axes.images[0].get_array()
    assert shown is not None
    pad = pictures.PADDING
    rows = [[round(float(shown[pad + y, pad + x, 0]) / 127.5 - 1, 2) for x in (0, 13, 26)] for y in (0, 12)]
    assert rows == [[0.1, 0.3, -1], [0.5, 0.6, -1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sample", "nearest training image"]


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (4, 1), (1, 5), (1, 2)])
def test_padding_is_that_of_torchvision(rows: int, columns: int) -> None:
    levels = draws.normal(0, "padding", 0, (rows * columns, 3, 4, 5)).mul(99).to(torch.uint8)
    expected = make_grid(levels, nrow=columns, padding=pictures.PADDING, pad_value=255)
    assert torch.equal(pictures._padded(levels, columns), expected)


def test_of_a_thousand_modes_those_of_the_ten_nearest_samples_are_shown() -> None:
    names = [f"{mode:03}" for mode in range(1000)]
    training = torch.zeros(1, 1)
    features = torch.arange(1000, 0, -1).view(-1, 1).float()  # the last samples are the nearest
    seen = Embedded(features, torch.arange(1000), torch.arange(1000), closeness(training, features)[0])
    pixels = torch.zeros(1000, 3, 4, 4)
    figure = pictures.nearest_figure(names, {"sample": (seen, pixels)}, pixels[:1])
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert shown == [f"{mode:03}" for mode in range(990, 1000)]
    left, _ = pictures.confusion_figure(names, seen, seen).axes
    assert not left.texts
    assert len(left.get_xticks()) < 20


def test_a_figure_of_many_classes_is_larger() -> None:
    names = [f"{label:02}" for label in range(47)]
    seen = Embedded(torch.zeros(47, 1), torch.arange(47), torch.arange(47))
    assert pictures.confusion_figure(names, seen, seen).get_figwidth() == pytest.approx(12 * 47 / 20)
    assert pictures.confusion_figure(NAMES, SAMPLES, DIGITS).get_figwidth() == 12


def test_pictures_have_the_same_bytes_again() -> None:
    features = draws.normal(0, "features", 0, (6, 3))
    seen = Embedded(features, torch.arange(6) % 3, None, closeness(features + 1, features)[0])
    pixels = draws.uniform(0, "pixels", 0, (6, 3, 8, 8)) * 2 - 1  # colour is shown as well

    def drawn() -> bytes:
        content = io.BytesIO()
        pictures.nearest_figure(NAMES, {"a": (seen, pixels), "b": (seen, pixels)}, pixels).savefig(
            content, format="png"
        )
        return content.getvalue()

    assert drawn() == drawn()
