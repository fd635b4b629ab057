"""The stage normalize on real digits: values, splits, classes and padding against the raw bytes; what it refuses."""

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from stages import normalize
from stages.common.errors import UserError
from stages.common.images import ImageSet, load_image_set, to_levels
from stages.common.params import validate_section

VALUES: dict[str, Any] = {"limit": 60_000, "classes": "all", "size": 28, "stack": 1, "num_stacks": 1, "seed": 1}
SPLITS = ("train", "validation", "test")
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


Raw = dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]


def params(**changes: Any) -> normalize.Params:
    return validate_section({"normalize": VALUES | changes}, "normalize", normalize.Params)


@pytest.fixture
def downloaded(normalized: Path, data: Path) -> Path:
    """A data folder of the test's own, after download."""
    shutil.copytree(normalized / "download", data / "download")
    return data


def results(data: Path) -> tuple[dict[str, ImageSet], dict[str, Any]]:
    folder = data / "normalize"
    assert {path.name for path in folder.iterdir()} == {f"{split}.safetensors" for split in SPLITS} | {"dataset.json"}
    description = json.loads((folder / "dataset.json").read_text())
    return {split: load_image_set(folder / f"{split}.safetensors") for split in SPLITS}, description


@pytest.fixture(scope="module")
def raw(digits: Path) -> Raw:
    """Levels [N, 28, 28] and labels [N] of each split, cut from the bytes by hand."""

    def entries(name: str, header: int) -> npt.NDArray[np.uint8]:
        return np.frombuffer(gzip.decompress((digits / f"{name}.gz").read_bytes())[header:], dtype=np.uint8)

    levels, labels = entries(TRAIN_IMAGES, 16).reshape(-1, 28, 28), entries(TRAIN_LABELS, 8)
    test = entries(TEST_IMAGES, 16).reshape(-1, 28, 28), entries(TEST_LABELS, 8)
    return {"train": (levels[:1000], labels[:1000]), "validation": (levels[1000:], labels[1000:]), "test": test}


def test_splits_hold_the_digits_of_the_files(normalized: Path, raw: Raw) -> None:
    sets, description = results(normalized)
    for split, (levels, labels) in raw.items():
        images = torch.from_numpy(levels[:, None].astype(np.float64) / 255 * 2 - 1)
        torch.testing.assert_close(sets[split].images.double(), images, rtol=0, atol=1e-6)
        assert sets[split].images.dtype == torch.float32
        assert sets[split].labels.tolist() == labels.tolist()
        assert sets[split].classes == list("0123456789")
    assert description["num_images"] == {"train": 1000, "validation": 200, "test": 400}


def test_description(normalized: Path, raw: Raw) -> None:
    description = results(normalized)[1]
    assert (description["name"], description["image_shape"]) == ("tiny", [1, 28, 28])
    assert description["classes"] == list("0123456789")
    for split, (_, labels) in raw.items():
        assert Counter(description["num_images_per_class"][split]) == Counter(map(str, labels.tolist()))
    pixels = np.concatenate([raw["train"][0], raw["validation"][0]]).astype(np.float64) / 255
    assert description["pixel_mean"] == pytest.approx(pixels.mean(), rel=1e-12)
    assert description["pixel_std"] == pytest.approx(pixels.std(), rel=1e-12)


def test_statistics_have_a_closed_form() -> None:
    levels = torch.tensor([0, 0, 255, 255], dtype=torch.uint8).view(1, 2, 2)
    assert normalize.pixel_statistics(levels) == (0.5, 0.5)
    constant = torch.full((7, 3, 3), 200, dtype=torch.uint8)
    assert normalize.pixel_statistics(constant) == (200 / 255, 0.0)


@pytest.mark.parametrize(("limit", "left"), [(100, 100), (300, 300), (5000, 1000)])
def test_limit_shortens_training_alone(normalized: Path, downloaded: Path, limit: int, left: int) -> None:
    whole, of_whole = results(normalized)
    normalize.run(params(limit=limit), downloaded)
    sets, description = results(downloaded)
    assert torch.equal(sets["train"].images, whole["train"].images[:left])
    assert torch.equal(sets["train"].labels, whole["train"].labels[:left])
    for split in ("validation", "test"):
        assert torch.equal(sets[split].images, whole[split].images)
    assert description["num_images"] == {"train": left, "validation": 200, "test": 400}
    # The statistics are those of the files, no matter how many images are taken.
    assert description["pixel_mean"] == of_whole["pixel_mean"]


def test_a_class_without_a_training_digit_is_refused(downloaded: Path, raw: Raw) -> None:
    """It would be drawn, generated and counted, and no network would have seen it."""
    missing = ", ".join(str(label) for label in range(10) if label not in raw["train"][1][:5])
    message = f"every class among the first 5, found none of {missing}; raise it, or leave"
    with pytest.raises(UserError, match=f"normalize.limit: expected a training image of {message}"):
        normalize.run(params(limit=5), downloaded)
    assert not (downloaded / "normalize").exists()


def test_classes_are_numbered_in_the_order_given(downloaded: Path, raw: Raw) -> None:
    normalize.run(params(classes=[7, 1, 3], limit=50), downloaded)
    sets, description = results(downloaded)
    assert description["classes"] == ["7", "1", "3"]
    for split, (levels, labels) in raw.items():
        end = 50 if split == "train" else None  # the limit counts the chosen digits
        rows = np.flatnonzero(np.isin(labels, [7, 1, 3]))[:end]
        assert sets[split].classes == ["7", "1", "3"]
        assert [[7, 1, 3][label] for label in sets[split].labels] == labels[rows].tolist()
        assert torch.equal(to_levels(sets[split].images), torch.from_numpy(levels[rows][:, None]))
        assert sum(description["num_images_per_class"][split].values()) == len(rows) == description["num_images"][split]


def test_size_32_is_padded_with_background(normalized: Path, downloaded: Path) -> None:
    normalize.run(params(size=32), downloaded)
    sets, description = results(downloaded)
    assert description["image_shape"] == [1, 32, 32]
    for split, small in results(normalized)[0].items():
        images = sets[split].images
        assert images.shape[1:] == (1, 32, 32)
        assert torch.equal(images[:, :, 2:30, 2:30], small.images)
        images[:, :, 2:30, 2:30] = -1
        assert (images == -1).all()


def test_same_bytes_again(normalized: Path, downloaded: Path) -> None:
    normalize.run(params(limit=1000), downloaded)
    for path in (downloaded / "normalize").iterdir():
        assert path.read_bytes() == (normalized / "normalize" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("limit", 0, "expected greater than or equal to 1, found 0"),
        ("limit", 1.5, "expected a valid integer, found 1.5"),
        ("size", 30, "expected 28, 32 or 64, found 30"),
        *[
            ("classes", value, "expected all, or a list of different labels from 0 on, at least one, found")
            for value in ("some", [], [1, 1], [-1], ["1"], [True], [1.0], 3, None, [[1]])
        ],
    ],
)
def test_bad_params(key: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=rf"^params.yaml: normalize.{key}: {message}") as caught:
        params(**{key: value})
    assert len(str(caught.value).splitlines()) == 1


def test_keeps_the_order_of_classes_in_params() -> None:
    assert params(classes=[3, 0]).classes == (3, 0)
    assert params().classes == "all"


Change = Callable[[Path], object]


def write(name: str, change: Callable[[bytes], bytes]) -> Change:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def swap(first: str, second: str) -> Change:
    def change(folder: Path) -> None:
        content = (folder / first).read_bytes()
        shutil.copy(folder / second, folder / first)
        (folder / second).write_bytes(content)

    return change


BAD_FILES: dict[str, tuple[Change, str]] = {
    "missing": (lambda folder: (folder / TRAIN_IMAGES).unlink(), f"{TRAIN_IMAGES} is missing; `dvc checkout"),
    "truncated": (
        write(TRAIN_IMAGES, lambda content: content[:-1]),
        rf"{TRAIN_IMAGES}: expected 940816 bytes for the shape \[1200, 28, 28\].*, found 940815 bytes",
    ),
    "compressed": (write(TEST_LABELS, gzip.compress), f"{TEST_LABELS}: expected the magic .*, found a gzip file"),
    "garbage": (write(TEST_IMAGES, lambda _: b"\xff" * 99), f"{TEST_IMAGES}: expected the magic .*, found ffffffff"),
    "images and labels swapped": (
        swap(TRAIN_IMAGES, TRAIN_LABELS),
        f"{TRAIN_IMAGES}: expected the magic number 00000803 or 00000804 of images, found 00000801 of labels",
    ),
    "training and test swapped": (
        swap(TRAIN_LABELS, TEST_LABELS),
        f"{TRAIN_LABELS}: expected 1200 labels, one for each image of {TRAIN_IMAGES}, found 400",
    ),
    "label that is no class": (
        write(TEST_LABELS, lambda content: content[:-1] + b"\x0a"),
        f"{TEST_LABELS}: expected labels 0 to 9, found 0 to 10",
    ),
    "test images of another shape": (
        write(TEST_IMAGES, lambda content: content[:8] + bytes([0, 0, 0, 14, 0, 0, 0, 56]) + content[16:]),
        r"normalize.size: expected at least the 14 x 56 of .*, found 28",
    ),
    "smaller test images": (
        write(TEST_IMAGES, lambda content: content[:8] + bytes([0, 0, 0, 7, 0, 0, 0, 7]) + content[16 : 16 + 400 * 49]),
        r"download: expected test images of the shape of the training images, found \[\[1, 28, 28\], \[1, 7, 7\]\]",
    ),
    "no description": (lambda folder: (folder / "dataset.json").unlink(), "dataset.json is missing; `dvc checkout"),
    "broken description": (write("dataset.json", lambda content: content[:9]), "dataset.json is not valid JSON"),
    "description of no dataset": (
        write("dataset.json", lambda _: b"[]"),
        "expected the name, classes and least_accuracy of a data set, found",
    ),
    "bar that nothing reaches": (
        write("dataset.json", lambda content: content.replace(b"0.97", b"1.97")),
        "expected the name, classes and least_accuracy of a data set, found",
    ),
    "description without classes": (
        write("dataset.json", lambda _: b'{"name": "x", "classes": [], "least_accuracy": 0.97}'),
        "expected the names of 1 to 1000 classes, found 0",
    ),
    "nested class names": (
        write("dataset.json", lambda _: b'{"name": "x", "classes": [["0"]], "least_accuracy": 0.97}'),
        "expected the names of classes, found",
    ),
    "negative label": (
        write(TRAIN_LABELS, lambda content: b"\0\0\x09" + content[3:-1] + b"\xff"),
        f"{TRAIN_LABELS}: expected labels 0 to 9, found -1 to 9",
    ),
    "class names that are none": (
        write("dataset.json", lambda _: b'{"name": "x", "classes": "0123456789", "least_accuracy": 0.97}'),
        "expected the names of classes, found '0123456789'",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_file(downloaded: Path, change: Change, message: str) -> None:
    change(downloaded / "download")
    with pytest.raises(UserError, match=message):
        normalize.run(params(), downloaded)
    assert not (downloaded / "normalize").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": [3, 12, 10]}, r"expected labels of tiny, 0 to 9 \(0, 1, .*, 9\), found 12, 10"),
        ({"classes": [5]}, "expected a validation image of 5, found only images of 0, 1, 2, 3, 4, 6, 7, 8, 9"),
    ],
)
def test_classes_that_the_data_lack(downloaded: Path, changes: dict[str, Any], message: str) -> None:
    labels = downloaded / "download" / TRAIN_LABELS
    content = labels.read_bytes()
    labels.write_bytes(content[:1008] + content[1008:].replace(b"\x05", b"\x06"))
    with pytest.raises(UserError, match=f"^normalize.classes: {message}"):
        normalize.run(params(**changes), downloaded)
    assert not (downloaded / "normalize").exists()
