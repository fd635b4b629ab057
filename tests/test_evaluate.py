"""The stage evaluate on real digits, with a small classifier: what it writes."""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from stages import evaluate
from stages.common.files import read_json, read_tensors, write_json, write_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set
from stages.evaluation import files, pictures
from stages.evaluation.details import Details
from stages.evaluation.registry import METRICS
from tests.evaluation_inputs import (
    CLASSIFIER,
    SAMPLES,
    SHOWN,
    TEST,
    TRAIN,
    VALIDATION,
    change_images,
    params,
    results,
    set_least_accuracy,
    written,
)

FILES = {"metrics.json", "details.json", "classes.csv", "confusion.csv", "confusion.png", "nearest.png"}


@pytest.fixture
def upstream(evaluation_inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The inputs, and no drawing: it takes half the time of an evaluation of so few images."""
    for name in ("confusion_figure", "nearest_figure"):
        monkeypatch.setattr(pictures, name, lambda *_: None)
    monkeypatch.setattr(files, "png_of", lambda _: b"")
    return evaluation_inputs


def test_writes_these_files_and_the_same_bytes_again(evaluation_inputs: Path) -> None:
    evaluate.run(params(), evaluation_inputs)
    first = written(evaluation_inputs)
    shutil.rmtree(evaluation_inputs / "evaluate")
    evaluate.run(params(), evaluation_inputs)
    assert set(first) == FILES
    assert written(evaluation_inputs) == first
    assert not any(b"\r" in content for name, content in first.items() if not name.endswith(".png"))


def test_real_digits_score_near_the_floor_and_noise_far_from_it(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    digits, floors = ({name: entry[key] for name, entry in entries_of(upstream).items()} for key in ("value", "floor"))
    change_images(upstream, images=lambda images: torch.linspace(-1, 1, images.numel()).view_as(images).sin())
    evaluate.run(params(), upstream)
    noise = {name: entry["value"] for name, entry in entries_of(upstream).items()}
    for name in ("fd_classifier", "kd_classifier"):
        assert abs(digits[name] - floors[name]) < 0.2 * noise[name]
    for name in ("precision", "density", "coverage", "gan_test_accuracy"):
        assert digits[name] > floors[name] - 0.15 > noise[name]
    assert abs(digits["c_t"]) < 4 < noise["c_t"]


def entries_of(data: Path) -> dict[str, Any]:
    """The entry of each metric in the details."""
    entries: dict[str, Any] = results(data)[1]["metrics"]
    return entries


def test_distances_are_shown_as_ratios_to_their_floor(upstream: Path) -> None:
    """So that `dvc exp show` compares runs: another unit of the features changes the distance alone."""
    chosen = {"metrics": ["fd_classifier", "kd_classifier", "class_imbalance", "precision"]}
    evaluate.run(params(**chosen), upstream)
    shown, before = results(upstream)[0], entries_of(upstream)
    for name in ("fd_classifier", "kd_classifier", "class_imbalance"):
        assert shown.pop(f"{name}_ratio") == before[name]["ratio"] == before[name]["value"] / before[name]["floor"]
    assert shown == {"precision": before["precision"]["value"]}
    tensors, meta = read_tensors(upstream / CLASSIFIER)
    for part in ("weight", "bias"):
        tensors[f"body.6.{part}"] = 10 * tensors[f"body.6.{part}"]  # of the normalisation before the features
    write_tensors(upstream / CLASSIFIER, tensors, meta)
    evaluate.run(params(**chosen), upstream)
    assert entries_of(upstream)["fd_classifier"]["value"] == pytest.approx(100 * before["fd_classifier"]["value"])
    assert results(upstream)[0]["fd_classifier_ratio"] == pytest.approx(before["fd_classifier"]["ratio"], rel=1e-4)


def test_a_ratio_to_a_floor_of_0_is_left_out_and_said_to_be(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = load_image_set(upstream / TEST)
    save_image_set(upstream / VALIDATION, test.images[:150], test.labels[:150], test.classes)
    save_image_set(upstream / TEST, test.images[:150], test.labels[:150], test.classes)
    evaluate.run(params(metrics=["kd_classifier", "coverage"]), upstream)
    assert results(upstream)[0].keys() == {"coverage"}
    line = "metrics.json leaves out kd_classifier_ratio: no ratio to a floor that is not above 0"
    assert capsys.readouterr().err.splitlines() == [line]


def test_details_hold_value_floor_ratio_and_protocol(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    entries = details["metrics"]
    values = {name: entries[name]["value"] for name in ("coverage", "gan_test_accuracy", "c_t")}
    assert metrics == {"fd_classifier_ratio": entries["fd_classifier"]["ratio"], **values}
    assert list(metrics) == sorted(metrics)
    assert entries.keys() == METRICS.keys()
    of_classes = {
        f"{each['class']}: {name}": entry for each in details["classes"] for name, entry in each["metrics"].items()
    }
    for name, entry in (entries | of_classes).items():
        assert entry["value"] is not None, name
        assert entry["halves"] is not None, name
        unsaid = {key for key, value in entry.items() if value is None or (key == "ratio_interval" and None in value)}
        assert entry["undefined"].keys() == unsaid, name
        if entry["ratio_interval"] and None not in entry["ratio_interval"]:
            assert entry["ratio"] == pytest.approx(entry["value"] / entry["floor"])
            assert entry["ratio_interval"][0] <= entry["ratio"] <= entry["ratio_interval"][1], name
    assert {name for name, entry in entries.items() if not entry["ratio_interval"]} <= {"c_t", "near_training"}
    assert len(of_classes) == 30
    protocol = details["protocol"]
    assert protocol["num_images"] == protocol["floor"]["num_images"] == 150
    assert protocol["reference"] == {"split": "test", "num_images": 400}
    assert protocol["halves"] == {"split": "test", "num_images": [200, 200]}
    assert protocol["training"] == {"split": "train", "num_images": 820}
    assert protocol["features"]["classifier_sha256"] == hashlib.sha256((upstream / CLASSIFIER).read_bytes()).hexdigest()
    assert "+" not in protocol["versions"]["torch"]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:-1]] == ["value", *METRICS]
    assert printed[-1] == details["in_plain_words"]
    assert "no sign of copying" in printed[-1]


def test_details_are_read_back_as_they_were_written(upstream: Path) -> None:
    evaluate.run(params(num_images=20), upstream)  # few, so that some figures are undefined
    path = upstream / "evaluate" / "details.json"
    details = Details.model_validate(read_json(path))
    write_json(path.with_name("again.json"), details.content())
    assert path.with_name("again.json").read_bytes() == path.read_bytes()
    assert any(entry.value is None for entry in details.metrics.values())


def test_another_seed_changes_only_what_depends_on_draws(upstream: Path) -> None:
    metrics = []
    for seed in (1, 2):
        evaluate.run(params(seed=seed), upstream)
        metrics.append(results(upstream)[1]["metrics"])
    first, second = metrics
    assert first["fd_classifier"]["halves"] != second["fd_classifier"]["halves"]
    assert first["fd_infinity"]["value"] != second["fd_infinity"]["value"]
    assert first["precision"]["ratio_interval"] != second["precision"]["ratio_interval"]
    for name in METRICS.keys() - {"fd_infinity"}:
        assert (first[name]["value"], first[name]["floor"]) == (second[name]["value"], second[name]["floor"])


def test_the_floor_does_not_depend_on_the_samples(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    before = results(upstream)[1]["metrics"]
    change_images(upstream, images=lambda images: 0.8 * images.flip(0))
    evaluate.run(params(), upstream)
    after = results(upstream)[1]["metrics"]
    for name in METRICS:
        assert after[name]["value"] != before[name]["value"] or name == "class_imbalance"
        for key in ("floor", "floor_standard_error", "halves"):
            assert after[name][key] == before[name][key], name


def nulls_without_a_reason(content: Any, path: str = "details") -> list[str]:
    """Where the details hold a None, or a list with a None, that no `undefined` beside it explains."""
    if isinstance(content, list):
        return [null for i, item in enumerate(content) for null in nulls_without_a_reason(item, f"{path}.{i}")]
    if not isinstance(content, dict):
        return []
    reasons = content.get("undefined", {})
    unexplained = []
    for key, value in content.items():
        is_null = value is None or (isinstance(value, list) and None in value)
        if is_null and isinstance(reasons, dict) and key not in reasons:
            unexplained.append(f"{path}.{key}")
        unexplained += nulls_without_a_reason(value, f"{path}.{key}")
    return unexplained


def test_training_digits_as_samples_are_called_copies(upstream: Path) -> None:
    train = load_image_set(upstream / TRAIN)
    save_image_set(upstream / SAMPLES, train.images[:180], train.labels[:180], train.classes)
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    assert metrics["c_t"] < -3 < details["metrics"]["c_t"]["floor"]
    assert details["metrics"]["authenticity"]["value"] == 0
    assert details["memorisation"]["copies"]["samples"] == 150
    assert "signs of copying (C_T" in details["in_plain_words"]


def test_a_classifier_that_recognises_too_little_is_no_judge(
    upstream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By MNIST's own bar, thirty steps of training are too few: the samples, real digits, are neither good nor new."""
    set_least_accuracy(upstream, 0.97)
    evaluate.run(params(), upstream)
    details = results(upstream)[1]
    words, accuracy = details["in_plain_words"], details["protocol"]["features"]["test_accuracy"]
    assert 0.7 < accuracy < 0.97
    begin = f"no judgement: the classifier recognises {100 * accuracy:g} % of the test images, a judge needs 97 %"
    assert words.partition(";")[0] == begin
    assert re.search(r"(?<!not )good|no sign|even|weakest|nothing", words) is None
    assert capsys.readouterr().out.splitlines()[-1] == words


def test_what_a_poor_judge_finds_wrong_is_still_said(upstream: Path) -> None:
    set_least_accuracy(upstream, 1.0)
    train = load_image_set(upstream / TRAIN)
    save_image_set(upstream / SAMPLES, train.images[:180], train.labels[:180], train.classes)
    evaluate.run(params(), upstream)
    assert re.search("; as far as it can tell, not good: .*signs of copying", results(upstream)[1]["in_plain_words"])


def test_halves_too_small_for_the_metrics_are_left_out(upstream: Path) -> None:
    change_images(upstream, lambda images: images[:101], lambda labels: labels[:101], TEST)
    evaluate.run(params(neighbours=50), upstream)
    details = results(upstream)[1]
    for entry in details["metrics"].values():
        assert (entry["halves"], entry["undefined"]["halves"]) == (None, "too few test images to halve them")
    assert nulls_without_a_reason(details) == []


def test_tables_count_the_images_compared(upstream: Path) -> None:
    evaluate.run(params(), upstream)
    _, details = results(upstream)
    classes = pd.read_csv(upstream / "evaluate" / "classes.csv", dtype={"class": str})
    confusion = pd.read_csv(upstream / "evaluate" / "confusion.csv", dtype=str)
    labels = load_image_set(upstream / SAMPLES).labels[:150]
    assert classes["class"].tolist() == list("0123456789")
    assert (classes.drop(columns="class").sum() == 150).all()
    assert classes["asked"].tolist() == torch.bincount(labels, minlength=10).tolist()
    assert confusion["asked"].tolist() == [str(label) for label in labels.tolist()]
    accuracy = details["metrics"]["gan_test_accuracy"]["value"]
    assert (confusion["asked"] == confusion["recognised"]).mean() == pytest.approx(accuracy)


def test_samples_of_an_unconditional_gan_have_no_gan_test_accuracy(
    upstream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_images(upstream, labels=lambda labels: torch.full_like(labels, NO_LABEL))
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    assert metrics.keys() == SHOWN - {"gan_test_accuracy"}
    assert capsys.readouterr().err.startswith("metrics.json leaves out gan_test_accuracy: no class was asked for")
    entry = details["metrics"]["gan_test_accuracy"]
    assert (entry["value"], entry["ratio"]) == (None, None)
    assert all("no class was asked for" in entry["undefined"][key] for key in ("value", "ratio", "ratio_interval"))
    assert entry["floor"] > 0.5
    assert nulls_without_a_reason(details) == []
    assert (upstream / "evaluate" / "confusion.csv").read_bytes() == b"asked,recognised\n"


def test_metrics_json_holds_only_the_chosen_metrics(upstream: Path) -> None:
    evaluate.run(params(metrics=["coverage", "density"]), upstream)
    metrics, details = results(upstream)
    assert metrics.keys() == {"coverage", "density"}
    assert details["metrics"].keys() == METRICS.keys()


@pytest.mark.parametrize(("num_images", "count"), [(20, 20), (190, 180), (10_000, 180)])
def test_compares_the_first_images_and_as_many_digits(upstream: Path, num_images: int, count: int) -> None:
    evaluate.run(params(num_images=num_images, metrics=["class_imbalance"]), upstream)
    confusion = pd.read_csv(upstream / "evaluate" / "confusion.csv")
    assert len(confusion) == count
    assert results(upstream)[1]["protocol"]["floor"]["num_images"] == count


def only_first_class(data: Path) -> None:
    """All files with the digits 0 alone, and a classifier of this one class."""
    for path in (TRAIN, TEST, VALIDATION, SAMPLES):
        zeros = load_image_set(data / path)
        zeros = zeros.select(zeros.labels == 0)
        save_image_set(data / path, zeros.images, zeros.labels, ["0"])
    tensors, meta = read_tensors(data / CLASSIFIER)
    head = {name: tensor[:1] if name.startswith("head") else tensor for name, tensor in tensors.items()}
    arguments = meta["arguments"] | {"num_classes": 1}
    write_tensors(data / CLASSIFIER, head, {"arguments": arguments, "classes": ["0"]})


@pytest.mark.parametrize(
    ("damage", "undefined"),
    [
        (lambda data: change_images(data, torch.zeros_like), set()),
        (
            lambda data: change_images(data, lambda images: images[:4], lambda labels: labels[:4]),
            {"c_t", "fd_infinity"},
        ),
        (only_first_class, {"fd_infinity"}),
    ],
)
def test_strange_samples_give_values_or_a_reason_never_nan(
    evaluation_inputs: Path, damage: Callable[[Path], None], undefined: set[str]
) -> None:
    """Constant images, hardly any images, digits of one class: write_json refuses what is not finite."""
    damage(evaluation_inputs)
    evaluate.run(params(), evaluation_inputs)
    _, details = results(evaluation_inputs)
    missing = {name: entry["undefined"] for name, entry in details["metrics"].items() if entry["value"] is None}
    assert missing.keys() == undefined
    assert all(missing.values())
    assert nulls_without_a_reason(details) == []
    assert details["in_plain_words"].startswith("good: ")
