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
from stages.common.images import NO_LABEL, load_image_set, save_image_set
from stages.evaluation import pictures
from stages.evaluation.registry import METRICS
from tests.evaluation_inputs import CLASSIFIER, SAMPLES, TEST, TRAIN, VALIDATION, change_images, params


@pytest.fixture
def upstream(evaluation_inputs: Path) -> Path:
    return evaluation_inputs


def change_classifier(data: Path, weights: float | None = None, name: str = "body.5.weight", **meta: Any) -> None:
    tensors, before = read_tensors(data / CLASSIFIER)
    if weights is not None:
        tensors[name].fill_(weights)
    write_tensors(data / CLASSIFIER, tensors, before | meta)


def pad(images: Tensor) -> Tensor:
    return torch.nn.functional.pad(images, [2] * 4)


def rename_classes(data: Path) -> None:
    samples = load_image_set(data / SAMPLES)
    save_image_set(data / SAMPLES, samples.images, samples.labels, list("abcdefghij"))


def no_labels(labels: Tensor) -> Tensor:
    return torch.full_like(labels, NO_LABEL)


def only_of(data: Path, path: Path, chosen: Callable[[Tensor], Tensor]) -> None:
    digits = load_image_set(data / path)
    digits = digits.select(chosen(digits.labels))
    save_image_set(data / path, digits.images, digits.labels, digits.classes)


def classify_as(data: Path, num_classes: int) -> None:
    """Another number of classes than the digits have, with names for the right number."""
    tensors, meta = read_tensors(data / CLASSIFIER)
    for name in ("head.weight", "head.bias"):
        tensors[name] = torch.cat([tensors[name]] * 2)[:num_classes]
    write_tensors(data / CLASSIFIER, tensors, meta | {"arguments": meta["arguments"] | {"num_classes": num_classes}})


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
        (lambda data: change_classifier(data, weights=3e38), CLASSIFIER, "features are not finite, or beyond 1e"),
        (lambda data: change_classifier(data, 1e30, "body.6.weight"), CLASSIFIER, "features are not finite, or beyond"),
        (
            lambda data: change_classifier(data, float("nan"), "head.bias"),
            CLASSIFIER,
            "not finite in head.bias",
        ),
        (lambda data: change_classifier(data, 3e38, "head.weight"), CLASSIFIER, "logits .* are not finite"),
        (lambda data: classify_as(data, 5), CLASSIFIER, "expected num_classes 10, .*found 5"),
        (lambda data: classify_as(data, 20), CLASSIFIER, "expected num_classes 10, .*found 20"),
        (lambda data: change_images(data, labels=no_labels, path=TEST), TEST, "expected a label for each image"),
        (lambda data: change_images(data, labels=no_labels, path=TRAIN), TRAIN, "expected a label for each image"),
        (
            lambda data: change_images(data, labels=no_labels, path=VALIDATION),
            VALIDATION,
            "expected a label for each image",
        ),
        (
            lambda data: change_images(data, lambda images: images[:1], lambda labels: labels[:1], TRAIN),
            TRAIN,
            "expected at least 2 images",
        ),
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


@pytest.mark.parametrize("damage", [rename_classes, lambda data: change_images(data, pad)])
def test_samples_of_other_images_are_refused_by_the_key_that_may_have_chosen_them(
    damage: Callable[[Path], None], upstream: Path
) -> None:
    """To draw again makes the same file where the generator is another run's."""
    damage(upstream)
    remedy = "; if generate.generator names one of other images, set it to train_gan; else `dvc checkout "
    with pytest.raises(UserError) as caught:
        evaluate.run(params(), upstream)
    assert remedy in str(caught.value)


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
    ("damage", "line"),
    [
        (lambda data: only_of(data, SAMPLES, lambda labels: labels != 3), "no sample of 3: "),
        (lambda data: only_of(data, TEST, lambda labels: labels < 8), "no test image of 8, 9: "),
        (lambda data: only_of(data, VALIDATION, lambda labels: labels != 0), "no validation image of 0: "),
        (
            lambda data: only_of(data, SAMPLES, lambda labels: torch.arange(len(labels)) < 120),
            "evaluate.num_images = 150: 120 samples and as many validation images exist",
        ),
    ],
)
def test_what_is_not_measured_is_said_before_the_long_work(
    upstream: Path,
    damage: Callable[[Path], None],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(evaluate, "embed", None)
    damage(upstream)
    with pytest.raises(TypeError):
        evaluate.run(params(), upstream)
    assert any(said.startswith(line) for said in capsys.readouterr().err.splitlines())


def test_nothing_is_said_of_images_that_lack_nothing(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.run(params(), upstream)
    assert capsys.readouterr().err == ""


def test_nothing_is_written_where_a_picture_fails(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "nearest_figure", None)
    with pytest.raises(TypeError):
        evaluate.run(params(), upstream)
    assert not (upstream / "evaluate").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["is"]}, "evaluate.metrics.0: expected one of authenticity, c_t, class_imbalance, .*found 'is'"),
        ({"metrics": ["recall", "fid", "kid"]}, "evaluate: expected protocol inception for fid and kid among metrics"),
        ({"metrics": []}, "evaluate.metrics: .*at least 1 item"),
        ({"metrics": ["recall", "recall"]}, "evaluate.metrics: expected each metric once"),
        ({"metrics": "recall"}, "evaluate.metrics: .*list, found 'recall'"),
        ({"neighbours": 0}, "evaluate.neighbours: .*found 0"),
        ({"metrics": list(METRICS)}, "evaluate.metrics: .*at most 4 items"),
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
