"""The classifier learns, is chosen by validation, and has the same bytes for any number of threads."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from stages import train_classifier
from stages.classifier.model import Classifier, classifier_from
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import read_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set
from stages.common.initialise import initialise
from stages.common.params import read_params_file, validate_section

ROOT = Path(__file__).parents[1]
TINY = {"width": 4, "num_features": 64, "epochs": 2, "batch_size": 50, "lr": 0.01, "shift_pixels": 1}


def params(**changes: Any) -> train_classifier.Params:
    section = read_params_file(ROOT / "params.yaml")["train_classifier"] | TINY | changes
    return validate_section({"train_classifier": section}, "train_classifier", train_classifier.Params)


@pytest.fixture
def upstream(normalized: Path, data: Path) -> Path:
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize")
    return data


def written(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "train_classifier").iterdir()}


def test_learns_far_above_chance_and_describes_itself(upstream: Path) -> None:
    train_classifier.run(params(epochs=4), upstream)
    assert set(written(upstream)) == {"classifier.safetensors", "history.csv"}
    tensors, meta = read_tensors(upstream / "train_classifier" / "classifier.safetensors")
    assert meta["classes"] == list("0123456789")
    classifier = classifier_from(tensors, meta, "classifier.safetensors")
    test = load_image_set(upstream / "normalize" / "test.safetensors")
    assert (in_blocks(classifier, test.images).argmax(1) == test.labels).float().mean() > 0.7
    assert in_blocks(classifier.features, test.images).shape == (400, 64)
    history = pd.read_csv(io.BytesIO(written(upstream)["history.csv"]))
    assert list(history.columns) == ["epoch", "train_loss", "validation_loss", "validation_accuracy"]
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert history["validation_accuracy"].iloc[-1] > history["validation_accuracy"].iloc[0]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.5, 1.0), (0.9, 1.0), (0.7, 0.1)], 2),
        ([(0.9, 0.3), (0.9, 0.2), (0.9, 0.4)], 2),  # equally many recognised: the lower loss
        ([(0.9, 0.2), (0.9, 0.2), (0.1, 0.2)], 1),
    ],
)
def test_keeps_the_epoch_that_validation_likes_best(
    scores: list[tuple[float, float]], best: int, normalized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = load_image_set(normalized / "normalize" / "train.safetensors")
    states: list[dict[str, Tensor]] = []

    def score(classifier: Classifier, digits: object) -> tuple[float, float]:
        states.append({name: tensor.clone() for name, tensor in classifier.state_dict().items()})
        return scores[len(states) - 1]

    monkeypatch.setattr(train_classifier, "score", score)
    classifier = Classifier([1, 28, 28], 10, 2, 64)
    initialise(classifier, 0, "test")
    _, actual = train_classifier.best_epoch(classifier, train, train, params(epochs=3, batch_size=500))
    assert_close(actual, states[best - 1], rtol=0, atol=0)
    assert not torch.equal(states[0]["head.weight"], states[1]["head.weight"])


def test_same_bytes_again_and_others_for_another_seed(upstream: Path) -> None:
    results = []
    for seed in (1, 1, 2):
        train_classifier.run(params(epochs=1, seed=seed), upstream)
        results.append(written(upstream))
    assert results[0] == results[1]
    assert results[0]["classifier.safetensors"] != results[2]["classifier.safetensors"]


def test_same_bytes_whatever_number_of_threads_is_asked_for(upstream: Path) -> None:
    """In a process that is told to use two threads, and in this one, which has one."""
    section = "".join(f"  {key}: {value}\n" for key, value in params(epochs=1, width=8).model_dump().items())
    (upstream.parent / "params.yaml").write_text(f"train_classifier:\n{section}")
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, "2") | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages.train_classifier"]
    subprocess.run(command, cwd=upstream.parent, env=environment, check=True, capture_output=True)
    told = written(upstream)
    train_classifier.run(params(epochs=1, width=8), upstream)
    assert written(upstream) == told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 1001}, "train_classifier.batch_size: expected at most the 1000 training images, found 1001"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(changes: dict[str, Any], message: str, upstream: Path) -> None:
    with pytest.raises(UserError, match=message):
        train_classifier.run(params(**changes), upstream)
    assert not (upstream / "train_classifier").exists()


def test_a_loss_that_is_not_finite_is_told_with_the_epoch(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_classifier, "score", lambda *_: (0.1, float("nan")))
    with pytest.raises(UserError, match=r"epoch 1 is not finite; .*train_classifier.lr"):
        train_classifier.run(params(), upstream)


def test_missing_digits_are_told_with_what_to_do(data: Path) -> None:
    with pytest.raises(UserError, match=r"train.safetensors is missing; .*dvc repro normalize"):
        train_classifier.run(params(), data)


@pytest.mark.parametrize("pad", [[2, 2], [2, 2, 2, 2]], ids=["28 x 32", "32 x 32"])
def test_validation_digits_of_another_shape_are_refused_by_name(normalized: Path, data: Path, pad: list[int]) -> None:
    train, validation = (f"{split}.safetensors" for split in ("train", "validation"))
    (data / "normalize").mkdir(parents=True)
    (data / "normalize" / train).symlink_to(normalized / "normalize" / train)
    digits = load_image_set(normalized / "normalize" / validation)
    images = torch.nn.functional.pad(digits.images, pad, value=-1)
    save_image_set(data / "normalize" / validation, images, digits.labels, digits.classes)
    shape = re.escape(str(list(images.shape[1:])))
    message = rf"{validation}: expected .* \[1, 28, 28\], as in .*{train}, found {shape}; .*normalize"
    with pytest.raises(UserError, match=message):
        train_classifier.run(params(), data)
    assert not (data / "train_classifier").exists()


@pytest.mark.parametrize(
    ("split", "damage", "message"),
    [
        ("train", lambda labels: torch.full_like(labels, NO_LABEL), "train.safetensors: expected a label for each"),
        ("validation", lambda labels: torch.full_like(labels, NO_LABEL), "validation.safetensors: expected a label"),
        ("train", lambda labels: labels.clamp(max=7), "train.safetensors: expected images of every .*none of 8, 9;"),
    ],
)
def test_digits_that_teach_nothing_are_refused(
    split: str,
    damage: Callable[[Tensor], Tensor],
    message: str,
    normalized: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(train_classifier, "fresh_classifier", None)  # refused before any computing
    shutil.copytree(normalized / "normalize", data / "normalize")
    path = data / "normalize" / f"{split}.safetensors"
    digits = load_image_set(path)
    save_image_set(path, digits.images, damage(digits.labels), digits.classes)
    with pytest.raises(UserError, match=message):
        train_classifier.run(params(), data)
