"""What evaluate reads: real digits, samples and a small classifier; helpers to change and to read files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import evaluate
from stages.classifier.model import Classifier
from stages.common.files import read_json, write_json, write_tensors
from stages.common.images import load_image_set, save_image_set
from stages.common.initialise import initialise
from stages.common.params import validate_section

CHOSEN = ["fd_classifier", "coverage", "gan_test_accuracy", "c_t"]
SHOWN = {"fd_classifier_ratio", "coverage", "gan_test_accuracy", "c_t"}
"""Their keys in metrics.json."""
VALUES: dict[str, Any] = {"metrics": CHOSEN, "neighbours": 3, "num_images": 150, "protocol": "classifier", "seed": 1}
TRAIN, TEST, VALIDATION = (Path(f"normalize/{split}.safetensors") for split in ("train", "test", "validation"))
SAMPLES = Path("generate/samples.safetensors")
CLASSIFIER = Path("train_classifier/classifier.safetensors")


def params(**changes: Any) -> evaluate.Params:
    return validate_section({"evaluate": VALUES | changes}, "evaluate", evaluate.Params)


@pytest.fixture(scope="session")
def trained_classifier(normalized: Path) -> Classifier:
    """Thirty steps on real digits: enough that its features tell digits from other pictures."""
    train = load_image_set(normalized / "normalize" / "train.safetensors")
    made = Classifier(list(train.images.shape[1:]), len(train.classes), width=4, num_features=16)
    initialise(made, 0, "classifier")
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for step in range(30):
        rows = torch.arange(100 * step, 100 * step + 100) % len(train)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(made(train.images[rows]), train.labels[rows]).backward()
        optimizer.step()
    return made


@pytest.fixture
def evaluation_inputs(normalized: Path, trained_classifier: Classifier, data: Path) -> Path:
    """A data folder with all that evaluate reads; the samples are digits that the classifier was trained on.

    They are no longer among the training digits, so that they are no copies. The bar of the dataset is one that this
    classifier passes.
    """
    shutil.copytree(normalized / "normalize", data / "normalize")
    set_least_accuracy(data, 0.7)
    train = load_image_set(data / TRAIN)
    save_image_set(data / SAMPLES, train.images[:180], train.labels[:180], train.classes)
    save_image_set(data / TRAIN, train.images[180:], train.labels[180:], train.classes)
    meta = {"arguments": trained_classifier.arguments, "classes": train.classes}
    write_tensors(data / CLASSIFIER, trained_classifier.state_dict(), meta)
    return data


def set_least_accuracy(data: Path, least: object) -> None:
    """Give the dataset another bar, in a folder of this test alone."""
    folder = data / "normalize"
    if folder.is_symlink():
        shared = folder.resolve()
        folder.unlink()
        shutil.copytree(shared, folder)
    write_json(folder / "dataset.json", read_json(folder / "dataset.json") | {"least_accuracy": least})


def change_images(
    data: Path,
    images: Callable[[Tensor], Tensor] = lambda images: images,
    labels: Callable[[Tensor], Tensor] = lambda labels: labels,
    path: Path = SAMPLES,
) -> None:
    digits = load_image_set(data / path)
    save_image_set(data / path, images(digits.images), labels(digits.labels), digits.classes)


def written(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "evaluate").iterdir()}


def results(data: Path) -> tuple[dict[str, float], dict[str, Any]]:
    files = written(data)
    return json.loads(files["metrics.json"]), json.loads(files["details.json"])
