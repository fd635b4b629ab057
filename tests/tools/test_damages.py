"""The table of damages on the tests' own digits: every damage changes what it should, every metric reacts to some."""

from pathlib import Path

import pytest
import torch

from stages.common.files import write_tensors
from stages.common.images import ImageSet, load_image_set
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.evaluate import Params
from stages.metrics.classifier import Classifier
from stages.metrics.registry import METRICS
from tools import damages
from tools.damages import DAMAGES

KEEP_PIXELS = {
    "whole", "one class dropped", "a tenth, ten times each", "one digit a class", "training digits",
    "5 % training digits", "labels swapped",
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
    assert found["training digits"].images.equal(train.images[: len(digits)])
    assert found["5 % training digits"].images[10:].equal(digits.images[10:])
    assert (found["labels swapped"].labels == (digits.labels + 1) % 10).all()


def test_table_has_a_row_for_each_damage_and_a_column_for_each_metric(normalized: Path, data: Path) -> None:
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize", target_is_directory=True)
    classifier = Classifier([1, 28, 28], num_classes=10, width=2, num_features=4)
    initialise(classifier, 0, "classifier")
    meta = {"arguments": classifier.arguments, "classes": list("0123456789")}
    write_tensors(data / "train_classifier" / "classifier.safetensors", classifier.state_dict(), meta)
    section = {"metrics": ["recall"], "neighbours": 3, "num_images": 100, "protocol": "classifier", "seed": 1}
    document = damages.run(validate_section({"evaluate": section}, "evaluate", Params), data)
    header, _, *table = [line for line in document.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in header.split("|")[1:-1]] == ["digits", *METRICS]
    assert [line.split("|")[1].strip() for line in table] == list(DAMAGES)
    assert "**" not in table[0]
    assert "(the first 100 validation digits)" in document
