"""The table of damages on the tests' own digits: every damage changes what it should, every metric reacts to some."""

import gzip
import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch

from stages import evaluate, two_sample
from stages.classifier.model import Classifier
from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import ImageSet, load_image_set, save_image_set
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.evaluate import Params
from stages.evaluation.registry import METRICS
from tools import damages, judged_damages
from tools.damages import DAMAGES
from tools.tables import cells

KEEP_PIXELS = {
    "whole", "one class dropped", "a tenth, ten times each", "one digit a class", "training images",
    "5 % training images", "labels swapped",
}  # fmt: skip


@pytest.fixture(scope="module")
def sets(normalized: Path) -> tuple[ImageSet, ImageSet]:
    validation, train = (
        load_image_set(normalized / "normalize" / f"{split}.safetensors") for split in ("validation", "train")
    )
    return validation, train


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_digits_are_an_image_set_of_the_same_size(name: str, sets: tuple[ImageSet, ImageSet]) -> None:
    digits, train = sets
    found = DAMAGES[name](digits, train)
    assert found.images.shape == digits.images.shape
    assert found.images.abs().max() <= 1
    assert len(found.labels) == len(digits)
    known = {image.numpy().tobytes() for image in torch.cat([digits.images, train.images])}
    unknown = [image for image in found.images if image.numpy().tobytes() not in known]
    assert bool(unknown) == (name not in KEEP_PIXELS)


def test_damages_are_what_they_say(sets: tuple[ImageSet, ImageSet]) -> None:
    digits, train = sets
    found = {name: damage(digits, train) for name, damage in DAMAGES.items()}
    brightness = {name: one.images.mean().item() for name, one in found.items()}
    assert brightness["thinner"] < brightness["whole"] < brightness["thicker"]
    assert found["shifted by 2 pixels"].images[:, :, :, 2:].equal(digits.images[:, :, :, :-2])
    assert 8 not in found["one class dropped"].labels
    assert len(found["one digit a class"].images.unique(dim=0)) == 10
    assert len(found["a tenth, ten times each"].images.unique(dim=0)) == len(digits) // 10
    assert found["training images"].images.equal(train.images[: len(digits)])
    assert found["5 % training images"].images[10:].equal(digits.images[10:])
    assert (found["labels swapped"].labels == (digits.labels + 1) % 10).all()


SECTION = {"metrics": ["recall"], "neighbours": 3, "num_images": 100, "protocol": "classifier", "seed": 1}
PARAMS = validate_section({"evaluate": SECTION}, "evaluate", Params)
RECIPE = {"width": 8, "num_features": 64, "epochs": 3, "batch_size": 20, "lr": 0.01, "shift_pixels": 0}
SECTION_JUDGES = RECIPE | {"num_train": 100, "num_test": 100, "seeds": [1]}
JUDGES = validate_section({"two_sample": SECTION_JUDGES}, "two_sample", two_sample.Params)


@pytest.fixture
def finished(normalized: Path, data: Path) -> Path:
    """A data folder with what the tool reads: the digits, and a classifier with weights of its beginning."""
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize", target_is_directory=True)
    classifier = Classifier([1, 28, 28], num_classes=10, width=4, num_features=64)
    initialise(classifier, 0, "classifier")
    meta = {"arguments": classifier.arguments, "classes": list("0123456789")}
    write_tensors(data / "train_classifier" / "classifier.safetensors", classifier.state_dict(), meta)
    return data


def table_of(document: str) -> dict[str, dict[str, str]]:
    """The cells of the table by damage and metric."""
    header, _, *rows = cells(document)
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}


def test_table_has_a_row_for_each_damage_and_a_column_for_each_metric(finished: Path) -> None:
    document = damages.run(PARAMS, finished)
    table = table_of(document)
    assert list(table) == list(DAMAGES)
    assert all(list(row) == list(METRICS) for row in table.values())
    assert not any("**" in cell for cell in table["whole"].values())
    assert "(the first 100 validation images)" in document
    assert "other data set" not in document


def test_whole_digits_score_the_floors_of_an_evaluation(finished: Path) -> None:
    """Of evaluate itself, on the same digits with anything in the samples' place."""
    train = load_image_set(finished / "normalize" / "train.safetensors")
    save_image_set(
        finished / "generate" / "samples.safetensors", -train.images[:100], train.labels[:100], train.classes
    )
    evaluate.run(PARAMS, finished)
    details = json.loads((finished / "evaluate" / "details.json").read_text(encoding="utf-8"))
    floors = {name: entry["floor"] for name, entry in details["metrics"].items()}
    assert table_of(damages.run(PARAMS, finished))["whole"] == {
        name: "-" if floor is None else damages.shown(floor) for name, floor in floors.items()
    }


def test_a_few_copies_show_in_near_training(finished: Path) -> None:
    table = table_of(damages.run(PARAMS, finished))
    assert float(table["5 % training images"]["near_training"]) >= 0.05 > float(table["whole"]["near_training"])


def write_images(folder: Path, count: int, size: int = 28, name: str = f"{damages.OTHER_FILE}.gz") -> bytes:
    """An IDX file of stripes; its uncompressed content."""
    stripes = bytes(255 * (column % 2) for _ in range(size) for column in range(size))
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", count, size, size) + count * stripes
    folder.mkdir()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return content


@pytest.mark.parametrize("name", [damages.OTHER_FILE, f"{damages.OTHER_FILE}.gz"])
def test_another_data_set_takes_the_digits_place(name: str, finished: Path, tmp_path: Path) -> None:
    content = write_images(tmp_path / "stripes", 120, name=name)
    document = damages.run(PARAMS, finished, tmp_path / "stripes")
    row = table_of(document)[damages.OTHER]
    assert list(table_of(document)) == [*DAMAGES, damages.OTHER]
    assert row["fd_classifier"].startswith("**")
    assert row["recall"].strip("*") == "0"  # equal stripes have no balls
    assert hashlib.sha256(content).hexdigest() in document
    assert "a data set that this tool does not know" in document


@pytest.mark.parametrize(
    ("count", "size", "name", "message"),
    [
        (99, 28, damages.OTHER_FILE, r"expected images \[100, 1, 28, 28\], found \[99, 1, 28, 28\]"),
        (100, 32, damages.OTHER_FILE, r"found \[100, 1, 32, 32\]"),
        (100, 28, "images", "expected a folder with t10k-images-idx3-ubyte"),
    ],
)
def test_another_data_set_that_does_not_fit_is_refused(
    count: int, size: int, name: str, message: str, finished: Path, tmp_path: Path
) -> None:
    write_images(tmp_path / "other", count, size, name)
    with pytest.raises(UserError, match=f"--other .*other: .*{message}"):
        damages.run(PARAMS, finished, tmp_path / "other")


def test_a_folder_that_is_not_there_is_refused(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--other .*absent: expected a folder"):
        damages.run(PARAMS, finished, tmp_path / "absent")


@pytest.mark.slow
def test_judges_rate_every_damage_and_the_samples(finished: Path) -> None:
    train = load_image_set(finished / "normalize" / "train.safetensors")
    save_image_set(finished / "generate" / "samples.safetensors", -train.images, train.labels, train.classes)
    table = table_of(damages.run_judges(JUDGES, finished))
    assert list(table) == [*DAMAGES, judged_damages.SAMPLES]
    for figure in ("two_sample", "two_sample_thresholded"):
        assert table["inverted"][figure] == table[judged_damages.SAMPLES][figure] == "**1**"
        assert abs(float(table["whole"][figure]) - 0.5) < 0.2
        assert table["labels swapped"][figure] == table["whole"][figure]
