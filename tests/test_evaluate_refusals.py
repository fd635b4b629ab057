"""What the stage evaluate refuses: files that are missing or do not belong together, too few images, bad params."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import evaluate
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import load_image_set, save_image_set
from stages.evaluation.registry import METRICS
from tests.evaluation_inputs import CLASSIFIER, SAMPLES, TEST, TRAIN, VALIDATION, change_images, params


@pytest.fixture
def upstream(evaluation_inputs: Path) -> Path:
    return evaluation_inputs


def change_classifier(data: Path, weights: float | None = None, **meta: Any) -> None:
    tensors, before = read_tensors(data / CLASSIFIER)
    if weights is not None:
        tensors["body.5.weight"].fill_(weights)
    write_tensors(data / CLASSIFIER, tensors, before | meta)


def pad(images: Tensor) -> Tensor:
    return torch.nn.functional.pad(images, [2] * 4)


def rename_classes(data: Path) -> None:
    samples = load_image_set(data / SAMPLES)
    save_image_set(data / SAMPLES, samples.images, samples.labels, list("abcdefghij"))


def truncate(data: Path) -> None:
    (data / VALIDATION).write_bytes((data / VALIDATION).read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "path", "message"),
    [
        (lambda data: (data / SAMPLES).unlink(), SAMPLES, "is missing"),
        (lambda data: (data / TEST).unlink(), TEST, "is missing"),
        (lambda data: (data / TRAIN).unlink(), TRAIN, "is missing"),
        (lambda data: (data / CLASSIFIER).unlink(), CLASSIFIER, "is missing"),
        (truncate, VALIDATION, "is not a file of this pipeline"),
        (lambda data: change_images(data, pad), SAMPLES, r"expected image shape \[1, 28, 28\], .*found \[1, 32, 32\]"),
        (lambda data: change_images(data, pad, path=VALIDATION), VALIDATION, r"found \[1, 32, 32\]"),
        (lambda data: change_images(data, pad, path=TRAIN), TRAIN, r"found \[1, 32, 32\]"),
        (rename_classes, SAMPLES, "expected classes .*'9'.*found .*'j'"),
        (lambda data: change_classifier(data, classes=["3", "5"]), CLASSIFIER, "expected classes .*found .*'3', '5'"),
        (lambda data: change_classifier(data, arguments={}), CLASSIFIER, "expected the arguments and weights"),
        (lambda data: change_classifier(data, weights=float("nan")), CLASSIFIER, "weights that are not finite"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_file(
    upstream: Path, damage: Callable[[Path], None], path: Path, message: str
) -> None:
    damage(upstream)
    with pytest.raises(UserError, match=message) as caught:
        evaluate.run(params(), upstream)
    assert str(upstream / path) in str(caught.value)
    assert not (upstream / "evaluate").exists()


@pytest.mark.parametrize(
    ("samples", "changes"), [(3, {}), (2, {"neighbours": 1}), (180, {"num_images": 5, "neighbours": 5})]
)
def test_too_few_images_are_refused_by_the_names_of_the_keys(
    upstream: Path, samples: int, changes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "embed", None)  # refused before any computing
    change_images(upstream, lambda images: images[:samples], lambda labels: labels[:samples])
    with pytest.raises(UserError, match=rf"evaluate.neighbours.*found {samples} samples \(generate.num_images\)"):
        evaluate.run(params(**changes), upstream)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["is"]}, "evaluate.metrics.0: expected one of authenticity, c_t, class_imbalance, .*found 'is'"),
        ({"metrics": ["recall", "fid", "kid"]}, "evaluate: expected protocol inception for fid and kid among metrics"),
        ({"metrics": []}, "evaluate.metrics: .*at least 1 item"),
        ({"metrics": ["recall", "recall"]}, "evaluate.metrics: expected each metric once"),
        ({"metrics": "recall"}, "evaluate.metrics: .*list, found 'recall'"),
        ({"neighbours": 0}, "evaluate.neighbours: .*found 0"),
        ({"metrics": list(METRICS)}, "evaluate.metrics: .*at most 7 items"),
        ({"seed": -1}, "evaluate.seed: .*found -1"),
        ({"num_images": 2}, "evaluate.num_images: .*found 2"),
        ({"num_images": "many"}, "evaluate.num_images: .*found 'many'"),
        ({"k": 5}, "evaluate.k: unknown key"),
    ],
)
def test_bad_params_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        params(**changes)


def test_every_field_is_described() -> None:
    assert all(field.description for field in evaluate.Params.model_fields.values())
