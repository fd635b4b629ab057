"""The stage evaluate on real digits, with a small classifier: what it writes, and what it refuses."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from stages import evaluate
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.metrics.classifier import Classifier
from stages.metrics.registry import METRICS

FILES = {"metrics.json", "details.json", "classes.csv", "confusion.csv", "confusion.png"}
VALUES: dict[str, Any] = {"metrics": list(METRICS), "neighbours": 3, "num_images": 150}
TEST, VALIDATION = Path("normalize/test.safetensors"), Path("normalize/validation.safetensors")
SAMPLES = Path("generate/samples.safetensors")
CLASSIFIER = Path("train_classifier/classifier.safetensors")


def params(**changes: Any) -> evaluate.Params:
    return validate_section({"evaluate": VALUES | changes}, "evaluate", evaluate.Params)


@pytest.fixture(scope="module")
def classifier(normalized: Path) -> Classifier:
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
def upstream(normalized: Path, classifier: Classifier, data: Path) -> Path:
    """A data folder with all that evaluate reads; the samples are training digits."""
    shutil.copytree(normalized / "normalize", data / "normalize")
    train = load_image_set(data / "normalize" / "train.safetensors")
    save_image_set(data / SAMPLES, train.images[:180], train.labels[:180], train.classes)
    meta = {"arguments": classifier.arguments, "classes": train.classes}
    write_tensors(data / CLASSIFIER, classifier.state_dict(), meta)
    return data


def change_images(
    data: Path,
    images: Callable[[Tensor], Tensor] = lambda images: images,
    labels: Callable[[Tensor], Tensor] = lambda labels: labels,
    path: Path = SAMPLES,
) -> None:
    found = load_image_set(data / path)
    save_image_set(data / path, images(found.images), labels(found.labels), found.classes)


def written(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "evaluate").iterdir()}


def results(data: Path) -> tuple[dict[str, float], dict[str, Any]]:
    files = written(data)
    return json.loads(files["metrics.json"]), json.loads(files["details.json"])


def test_writes_these_files_and_the_same_bytes_again(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    first = written(upstream)
    shutil.rmtree(upstream / "evaluate")
    evaluate.run(params(), upstream)
    assert set(first) == FILES
    assert written(upstream) == first
    assert not any(b"\r" in content for name, content in first.items() if not name.endswith(".png"))


def test_real_digits_score_near_the_floor_and_noise_far_from_it(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    digits, details = results(upstream)
    change_images(upstream, images=lambda images: torch.linspace(-1, 1, images.numel()).view_as(images).sin())
    evaluate.run(params(), upstream)
    noise, _ = results(upstream)
    floors = {name: entry["floor"] for name, entry in details["metrics"].items()}
    for name in ("fd_classifier", "kd_classifier"):
        assert abs(digits[name] - floors[name]) < 0.2 * noise[name]
    for name in ("precision", "recall", "density", "coverage", "gan_test_accuracy"):
        assert digits[name] > floors[name] - 0.15 > noise[name]


def test_details_tell_value_floor_ratio_and_protocol(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    assert metrics == {name: entry["value"] for name, entry in details["metrics"].items()}
    assert list(metrics) == sorted(METRICS)
    for entry in details["metrics"].values():
        assert entry["ratio"] == pytest.approx(entry["value"] / entry["floor"])
    protocol = details["protocol"]
    assert protocol["num_images"] == protocol["floor"]["num_images"] == 150
    assert protocol["reference"] == {"split": "test", "num_images": 400}
    assert protocol["features"]["classifier_sha256"] == hashlib.sha256((upstream / CLASSIFIER).read_bytes()).hexdigest()
    assert "+" not in protocol["versions"]["torch"]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["value", *METRICS]


def test_tables_count_the_images_compared(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    _, details = results(upstream)
    classes = pd.read_csv(upstream / "evaluate" / "classes.csv", dtype={"class": str})
    confusion = pd.read_csv(upstream / "evaluate" / "confusion.csv", dtype=str)
    asked = load_image_set(upstream / SAMPLES).labels[:150]
    assert classes["class"].tolist() == list("0123456789")
    assert (classes.drop(columns="class").sum() == 150).all()
    assert classes["asked"].tolist() == torch.bincount(asked, minlength=10).tolist()
    assert confusion["asked"].tolist() == [str(label) for label in asked.tolist()]
    accuracy = details["metrics"]["gan_test_accuracy"]["value"]
    assert (confusion["asked"] == confusion["recognised"]).mean() == pytest.approx(accuracy)


def test_samples_of_an_unconditional_gan_have_no_gan_test_accuracy(upstream: Path) -> None:
    change_images(upstream, labels=lambda labels: torch.full_like(labels, NO_LABEL))
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    assert set(metrics) == set(METRICS) - {"gan_test_accuracy"}
    entry = details["metrics"]["gan_test_accuracy"]
    assert (entry["value"], entry["ratio"]) == (None, None)
    assert "no class was asked for" in entry["undefined"]
    assert entry["floor"] > 0.5
    assert (upstream / "evaluate" / "confusion.csv").read_bytes() == b"asked,recognised\n"


def test_only_the_metrics_asked_for_are_computed(upstream: Path) -> None:
    evaluate.run(params(metrics=["coverage", "class_imbalance"]), upstream)
    metrics, details = results(upstream)
    assert set(metrics) == set(details["metrics"]) == {"coverage", "class_imbalance"}


@pytest.mark.parametrize(("num_images", "count"), [(20, 20), (190, 180), (10_000, 180)])
def test_compares_the_first_images_and_as_many_digits(upstream: Path, num_images: int, count: int) -> None:
    evaluate.run(params(num_images=num_images, metrics=["class_imbalance"]), upstream)
    confusion = pd.read_csv(upstream / "evaluate" / "confusion.csv")
    assert len(confusion) == count
    assert results(upstream)[1]["protocol"]["floor"]["num_images"] == count


def test_identical_samples_give_values_not_nan(upstream: Path) -> None:
    change_images(upstream, images=torch.zeros_like)
    evaluate.run(params(), upstream)
    metrics, _ = results(upstream)
    assert set(metrics) == set(METRICS)
    assert metrics["class_imbalance"] == pytest.approx(0.9)


def change_classifier(data: Path, weights: float | None = None, **meta: Any) -> None:
    tensors, found = read_tensors(data / CLASSIFIER)
    if weights is not None:
        tensors["body.5.weight"].fill_(weights)
    write_tensors(data / CLASSIFIER, tensors, found | meta)


def pad(images: Tensor) -> Tensor:
    return torch.nn.functional.pad(images, [2] * 4)


def rename_classes(data: Path) -> None:
    found = load_image_set(data / SAMPLES)
    save_image_set(data / SAMPLES, found.images, found.labels, list("abcdefghij"))


def truncate(data: Path) -> None:
    (data / VALIDATION).write_bytes((data / VALIDATION).read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "path", "message"),
    [
        (lambda data: (data / SAMPLES).unlink(), SAMPLES, "is missing"),
        (lambda data: (data / TEST).unlink(), TEST, "is missing"),
        (lambda data: (data / CLASSIFIER).unlink(), CLASSIFIER, "is missing"),
        (truncate, VALIDATION, "is not a file of this pipeline"),
        (lambda data: change_images(data, pad), SAMPLES, r"expected image shape \[1, 28, 28\], .*found \[1, 32, 32\]"),
        (lambda data: change_images(data, pad, path=VALIDATION), VALIDATION, r"found \[1, 32, 32\]"),
        (rename_classes, SAMPLES, "expected classes .*'9'.*found .*'j'"),
        (lambda data: change_classifier(data, classes=["3", "5"]), CLASSIFIER, "expected classes .*found .*'3', '5'"),
        (lambda data: change_classifier(data, arguments={}), CLASSIFIER, "expected the arguments and weights"),
        (lambda data: change_classifier(data, weights=float("nan")), CLASSIFIER, "features are not finite"),
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
        ({"metrics": ["fid"]}, "evaluate.metrics.0: expected one of class_imbalance, coverage, .*found 'fid'"),
        ({"metrics": []}, "evaluate.metrics: .*at least 1 item"),
        ({"metrics": ["recall", "recall"]}, "evaluate.metrics: expected each metric once"),
        ({"metrics": "recall"}, "evaluate.metrics: .*list, found 'recall'"),
        ({"neighbours": 0}, "evaluate.neighbours: .*found 0"),
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
