"""The quiz: as many real images as generated ones in each round, each told rightly."""

import base64

import torch

from stages.common.images import ImageSet, to_float
from stages.reporting.quiz import IN_ROUND, ROUNDS, quiz


def image_set(first: int, count: int) -> ImageSet:
    """Images of one level each, which tells them apart."""
    levels = torch.arange(first, first + count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    return ImageSet(to_float(levels), torch.zeros(count, dtype=torch.int64), ["0"])


REAL, GENERATED = image_set(0, 120), image_set(128, 120)


def levels_of(content: dict[str, object]) -> list[int]:
    """The level of each image."""
    pixels = base64.b64decode(str(content["pixels"]))
    return list(pixels[:: 4 * 4])


def test_each_image_is_told_rightly_and_shown_once() -> None:
    content = quiz(REAL, GENERATED, 1)
    levels = levels_of(content)
    assert content["real"] == [level < 128 for level in levels]
    assert len(levels) == len(set(levels)) == ROUNDS * IN_ROUND


def test_half_of_each_round_is_real_in_no_regular_order() -> None:
    real = quiz(REAL, GENERATED, 1)["real"]
    rounds = [tuple(real[start : start + IN_ROUND]) for start in range(0, len(real), IN_ROUND)]
    assert [sum(each) for each in rounds] == [IN_ROUND // 2] * ROUNDS
    assert len(set(rounds)) == ROUNDS


def test_the_seed_decides() -> None:
    assert quiz(REAL, GENERATED, 1) == quiz(REAL, GENERATED, 1)
    assert quiz(REAL, GENERATED, 1)["pixels"] != quiz(REAL, GENERATED, 2)["pixels"]


def test_few_images_make_fewer_rounds() -> None:
    assert len(quiz(REAL, image_set(128, 25), 1)["real"]) == 2 * IN_ROUND
    assert quiz(REAL, image_set(128, 9), 1)["real"] == []


def test_colours_come_pixel_by_pixel() -> None:
    coloured = torch.zeros(10, 3, 4, 4) - 1
    coloured[:, 0] = 1
    images = ImageSet(coloured, torch.zeros(10, dtype=torch.int64), ["0"])
    content = quiz(images, images, 1)
    assert content["channels"] == 3
    assert base64.b64decode(content["pixels"])[:6] == bytes([255, 0, 0, 255, 0, 0])
