"""Stacked digits: which digits make a stack, how often each is used, and what the stage normalize writes of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from stages import normalize
from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import ImageSet, load_image_set, save_image_set, to_levels
from stages.common.params import validate_section
from stages.datasets.stacks import mode_names, stacked
from tools.profiles import params_with

LEVELS = torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1).expand(30, 1, 4, 4).contiguous()
LABELS = torch.arange(30) % 3
"""Image i is all of level i, and shows class i modulo 3."""


def stacks(num_stacks: int, seed: int = 1, purpose: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
    return stacked(LEVELS, LABELS, num_stacks, 3, 3, seed, purpose)


def test_a_mode_is_the_number_that_the_channels_classes_make() -> None:
    images, modes = stacks(200)
    assert images.shape == (200, 3, 4, 4)
    red, green, blue = (images[:, channel, 0, 0].long() % 3 for channel in range(3))
    assert modes.tolist() == (9 * red + 3 * green + blue).tolist()
    assert (images == images[:, :, :1, :1]).all()  # whole digits, not mixtures


def test_each_channel_has_every_digit_equally_often() -> None:
    images, _ = stacks(90)
    for channel in range(3):
        assert torch.bincount(images[:, channel, 0, 0].long()).tolist() == [3] * 30


def test_channels_are_drawn_apart() -> None:
    images, modes = stacks(3000)
    assert len(modes.unique()) == 27
    same = (images[:, 0, 0, 0] == images[:, 1, 0, 0]).double().mean().item()
    assert same == pytest.approx(1 / 30, abs=0.02)


def test_a_stack_is_a_function_of_seed_purpose_and_index() -> None:
    images, modes = stacks(50)
    longer, _ = stacks(170)
    assert torch.equal(longer[:50], images)
    for other in (stacks(50, seed=2), stacks(50, purpose="test")):
        assert not torch.equal(other[0], images)
    assert torch.equal(stacks(50)[1], modes)


def test_names_of_modes() -> None:
    names = mode_names(list("0123456789"), 3)
    assert (len(names), names[0], names[123], names[999]) == (1000, "000", "123", "999")
    assert mode_names(["coat", "bag"], 2) == ["coat + coat", "coat + bag", "bag + coat", "bag + bag"]
    assert mode_names(list("おき"), 3)[1] == "おおき"


def stack_set() -> ImageSet:
    levels, modes = stacks(60)
    return ImageSet(levels.float() / 127.5 - 1, modes, mode_names(["a", "b", "c"], 3), ["a", "b", "c"])


def test_unstacked_images_show_their_class_and_come_from_every_channel() -> None:
    singles = stack_set().unstacked()
    assert (singles.classes, singles.singles, singles.image_shape) == (["a", "b", "c"], None, [1, 4, 4])
    levels = to_levels(singles.images)[:, 0, 0, 0].long()
    assert singles.labels.tolist() == (levels % 3).tolist()
    assert levels.tolist() == [int(stacks(60)[0][row, row % 3, 0, 0]) for row in range(60)]
    assert singles.unstacked() is singles


def test_parts_of_a_set_of_stacks_are_stacks() -> None:
    made = stack_set()
    assert made.select(slice(5)).singles == made.copy().singles == ["a", "b", "c"]


def test_stacks_come_back_from_their_file(tmp_path: Path) -> None:
    made, path = stack_set(), tmp_path / "stacks.safetensors"
    save_image_set(path, made.images, made.labels, made.classes, made.singles)
    read = load_image_set(path)
    assert (read.singles, read.classes) == (made.singles, made.classes)
    assert torch.equal(read.labels, made.labels)


@pytest.mark.parametrize("singles", [["a", "b"], ["a", "b", "b"], "abc", [], None])
def test_classes_that_are_not_all_combinations_are_refused(tmp_path: Path, singles: Any) -> None:
    made, path = stack_set(), tmp_path / "stacks.safetensors"
    meta = {"classes": made.classes, "singles": singles}
    write_tensors(path, {"images": made.images, "labels": made.labels}, meta)
    with pytest.raises(UserError, match=r"stacks\.safetensors: expected (8 classes for 3 stacked|.*names of)"):
        load_image_set(path)


def params(**changes: Any) -> normalize.Params:
    return validate_section(params_with({"normalize": changes}), "normalize", normalize.Params)


@pytest.fixture
def downloaded(normalized: Path, data: Path) -> Path:
    shutil.copytree(normalized / "download", data / "download")
    return data


def test_normalize_stacks_the_digits_of_each_split(normalized: Path, downloaded: Path) -> None:
    normalize.run(params(stack=3, num_stacks=300, size=32), downloaded)
    folder = downloaded / "normalize"
    description = json.loads((folder / "dataset.json").read_text())
    assert description["image_shape"] == [3, 32, 32]
    assert description["num_images"] == {"train": 300, "validation": 300, "test": 300}
    assert len(description["classes"]) == 1000
    for split in ("train", "validation", "test"):
        made, digits = (load_image_set(each / f"{split}.safetensors") for each in (folder, normalized / "normalize"))
        assert made.singles == list("0123456789")
        known = {
            (image.numpy().tobytes(), int(label)) for image, label in zip(digits.images, digits.labels, strict=True)
        }
        inner = made.images[:, :, 2:30, 2:30].contiguous()
        assert (made.images[:, :, 0] == -1).all()
        for channel, place in enumerate((100, 10, 1)):
            labels = made.labels // place % 10
            shown = {
                (image[channel].contiguous().numpy().tobytes(), int(label))
                for image, label in zip(inner, labels, strict=True)
            }
            assert shown <= known


@pytest.mark.parametrize("classes", [[3, 1], [7]])
def test_modes_of_chosen_classes(downloaded: Path, classes: list[int]) -> None:
    normalize.run(params(stack=2, num_stacks=40, classes=classes), downloaded)
    made = load_image_set(downloaded / "normalize" / "train.safetensors")
    assert made.classes == [f"{first}{second}" for first in classes for second in classes]
    assert made.image_shape == [2, 28, 28]


def test_too_many_modes_are_refused(downloaded: Path) -> None:
    names = json.dumps([f"{index}" for index in range(11)])
    path = downloaded / "download" / "dataset.json"
    path.write_text(f'{{"name": "x", "classes": {names}, "least_accuracy": 0.9}}')
    with pytest.raises(UserError, match=r"normalize\.limit|normalize\.stack: expected at most 1000 modes, found 11 to"):
        normalize.run(params(stack=3, num_stacks=40), downloaded)
    assert not (downloaded / "normalize").exists()
