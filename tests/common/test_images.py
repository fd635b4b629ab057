"""Image sets: one value range and layout, exact grey levels, an error for everything else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import (
    NO_LABEL,
    ImageSet,
    load_alike,
    load_image_set,
    save_image_set,
    to_float,
    to_levels,
)

ALL_LEVELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)


def test_all_levels_come_back() -> None:
    floats = to_float(ALL_LEVELS)
    assert floats.dtype == torch.float32
    assert floats.min() == -1
    assert floats.max() == 1
    assert torch.equal(to_levels(floats), ALL_LEVELS)


def test_levels_are_the_nearest_and_stay_in_range() -> None:
    step = 2 / 255
    images = torch.tensor([-1 + 0.49 * step, -1 + 0.51 * step, 1 - 0.49 * step, 1.5, -7.0])
    assert to_levels(images).tolist() == [0, 1, 255, 255, 0]


@pytest.mark.parametrize("stored", [ALL_LEVELS, to_float(ALL_LEVELS)], ids=["uint8", "float32"])
def test_round_trip_of_both_kinds(tmp_path: Path, stored: Tensor) -> None:
    images = stored.repeat(3, 1, 1, 1)
    save_image_set(tmp_path / "s.safetensors", images, torch.tensor([1, 0, 1]), ["zero", "one"])
    found = load_image_set(tmp_path / "s.safetensors")
    assert len(found) == 3
    assert found.images.dtype == torch.float32
    assert torch.equal(to_levels(found.images), ALL_LEVELS.repeat(3, 1, 1, 1))
    assert found.labels.tolist() == [1, 0, 1]
    assert found.classes == ["zero", "one"]


def test_images_without_labels_are_read(tmp_path: Path) -> None:
    save_image_set(tmp_path / "s.safetensors", torch.zeros(2, 1, 4, 4), torch.full((2,), NO_LABEL), ["zero"])
    assert load_image_set(tmp_path / "s.safetensors").labels.tolist() == [-1, -1]


GOOD: dict[str, Any] = {"images": torch.zeros(2, 1, 4, 4), "labels": torch.tensor([0, 1])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(2, 4, 4)}, r"expected images .*\[N, C, H, W\].* found float32 \[2, 4, 4\]"),
        ({"images": torch.zeros(2, 1, 4, 4).double()}, "expected images float32 or uint8 .* found float64"),
        ({"images": torch.zeros(0, 1, 4, 4)}, ".* with N > 0, found"),
        ({"images": torch.full((2, 1, 4, 4), 255.0)}, r"expected images in \[-1, 1\], found 255 to 255"),
        ({"images": torch.full((2, 1, 4, 4), torch.nan)}, r"expected images in \[-1, 1\], found nan"),
        ({"images": torch.zeros(2, 0, 4, 4)}, "expected 1 to 16 channels, found 0"),
        ({"images": torch.zeros(2, 17, 4, 4)}, "expected 1 to 16 channels, found 17"),
        ({"images": torch.zeros(2, 1, 0, 4)}, "expected height and width to be multiples of 4 .*, found 0 x 4"),
        ({"images": torch.zeros(1, 1, 4, 1028)}, "expected height and width to be multiples of 4 .*, found 4 x 1028"),
        ({"images": torch.zeros(2, 1, 4, 4).bool()}, "expected images float32 or uint8 .* found bool"),
        ({"labels": torch.tensor([0.0, 1.0])}, r"expected labels int64 \[2\], found float32"),
        ({"labels": torch.tensor([[0], [1]])}, r"expected labels int64 \[2\], found int64 \[2, 1\]"),
        (
            {"images": torch.zeros(2, 1, 27, 28)},
            "expected height and width to be multiples of 4 up to 1024, found 27 x 28",
        ),
        ({"labels": torch.tensor([0, 1], dtype=torch.int32)}, r"expected labels int64 \[2\], found int32"),
        ({"labels": torch.tensor([0, 1, 1])}, r"expected labels int64 \[2\], found int64 \[3\]"),
        ({"labels": torch.tensor([0, 2])}, "expected labels 0 to 1, or all -1, found 0 to 2"),
        ({"labels": torch.tensor([0, -1])}, "expected labels 0 to 1, or all -1, found -1 to 0"),
        (
            {"features": torch.zeros(1)},
            ".* images and labels .*, found features, images, labels with classes",
        ),
    ],
)
def test_bad_set(tmp_path: Path, changes: dict[str, Tensor], message: str) -> None:
    write_tensors(tmp_path / "bad.safetensors", GOOD | changes, {"classes": ["0", "1"]})
    with pytest.raises(UserError, match=f"bad.safetensors: {message}"):
        load_image_set(tmp_path / "bad.safetensors")


def test_set_without_class_names(tmp_path: Path) -> None:
    write_tensors(tmp_path / "bad.safetensors", GOOD, {})
    with pytest.raises(UserError, match=r"expected .*names of .*classes, found"):
        load_image_set(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("classes", [[], None, "ab", [1, 2], {"a": 1}])
def test_set_with_other_things_than_class_names(tmp_path: Path, classes: Any) -> None:
    write_tensors(tmp_path / "bad.safetensors", GOOD, {"classes": classes})
    with pytest.raises(UserError, match=r"expected .*names of .*classes, found"):
        load_image_set(tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("images", "classes", "message"),
    [
        (torch.zeros(2, 1, 8, 4), ["a", "b"], r"image shape \[1, 4, 4\], as in .*first.*, found \[1, 8, 4\]"),
        (torch.zeros(2, 3, 4, 4), ["a", "b"], r"image shape \[1, 4, 4\], as in .*first.*, found \[3, 4, 4\]"),
        (torch.zeros(2, 1, 4, 4), ["b", "a"], r"classes \['a', 'b'\], as in .*first.*, found \['b', 'a'\]"),
    ],
)
def test_sets_that_do_not_belong_together(tmp_path: Path, images: Tensor, classes: list[str], message: str) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_image_set(first, GOOD["images"], GOOD["labels"], ["a", "b"])
    save_image_set(second, images, GOOD["labels"], classes)
    assert len(load_alike(first, first)) == 2
    with pytest.raises(UserError, match=f"second.safetensors: expected {message}; `dvc checkout"):
        load_alike(first, second)


def test_a_selection_takes_images_and_labels_along() -> None:
    images = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 4, 8) / 5
    whole = ImageSet(images, torch.arange(5), list("abcde"))
    assert whole.image_shape == [3, 4, 8]
    for rows, expected in ((torch.tensor([4, 1]), [4, 1]), (slice(1, 3), [1, 2])):
        chosen = whole.select(rows)
        assert chosen.labels.tolist() == expected
        assert chosen.images.equal(images[expected])
        assert chosen.classes == list("abcde")
