"""Stages baseline and usefulness: a classifier that learned from the images alone, tested on real digits."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from stages import baseline, usefulness
from stages.classifier import accuracy as measure
from stages.classifier.fit import Recipe, fit, fresh_classifier, score
from stages.common import shards
from stages.common.errors import UserError
from stages.common.images import NO_LABEL, ImageSet, load_image_set, save_image_set, to_levels
from stages.common.params import validate_section
from stages.evaluation.cas import CasDetails
from tests.evaluation_inputs import set_least_accuracy

RECIPE: dict[str, Any] = {
    "width": 8,
    "num_features": 64,
    "epochs": 2,
    "batch_size": 50,
    "lr": 0.01,
    "shift_pixels": 0,
}


def baseline_params(**changes: Any) -> baseline.Params:
    return validate_section({"baseline": RECIPE | {"seeds": [1, 2]} | changes}, "baseline", baseline.Params)


@pytest.fixture
def upstream(normalized: Path, data: Path) -> Path:
    """A data folder with the tiny real digits, and the training digits themselves as samples."""
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize")
    digits = load_image_set(normalized / "normalize" / "train.safetensors")
    save_samples(data, digits, digits.labels)
    return data


def save_samples(data: Path, digits: ImageSet, labels: torch.Tensor) -> None:
    save_image_set(data / "generate" / "samples.safetensors", to_levels(digits.images), labels, digits.classes)


def result_of(data: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data / "usefulness" / "details.json").read_text(encoding="utf-8"))
    return content


def test_the_training_digits_as_samples_score_what_they_score_as_training_digits(upstream: Path) -> None:
    baseline.run(baseline_params(), upstream)
    usefulness.run(upstream)
    details = result_of(upstream)
    assert details["samples"] == details["real_digits"]["accuracy"]
    assert details["protocol"]["num_images"] == details["real_digits"]["num_images"] == 1000
    cas = details["metrics"]["cas"]
    assert (cas["ratio"], cas["ratio_interval"], cas["undefined"]) == (
        1,
        [1, 1],
        {},
    )  # paired: nothing is left to chance
    assert cas["halves"] == cas["floor_halves"]
    assert cas["value"] == pytest.approx(details["samples"]["mean"])
    assert details["samples"]["mean"] > 0.5  # chance is 0.1
    assert details["samples"]["mean"] == pytest.approx(sum(details["samples"]["values"]) / 2)
    assert len(set(details["samples"]["values"])) == 2
    written = json.loads((upstream / "usefulness" / "cas.json").read_text(encoding="utf-8"))
    assert written == {"cas": details["samples"]["mean"]}


def test_details_are_read_back_as_they_were_written(upstream: Path) -> None:
    baseline.run(baseline_params(epochs=1), upstream)
    usefulness.run(upstream)
    details = CasDetails.model_validate(result_of(upstream))
    assert details.content() == result_of(upstream)


def test_mistakes_are_the_rows_that_make_the_accuracies(upstream: Path) -> None:
    baseline.run(baseline_params(), upstream)
    accuracy = json.loads((upstream / "baseline" / "baseline.json").read_text(encoding="utf-8"))["accuracy"]
    test = load_image_set(upstream / "normalize" / "test.safetensors")
    assert accuracy["values"] == [1 - len(rows) / len(test) for rows in accuracy["wrong"]]
    recipe = Recipe.model_validate(RECIPE)
    classifier = fresh_classifier(test, recipe, 1)
    train = load_image_set(upstream / "normalize" / "train.safetensors")
    for _ in fit(classifier, train, recipe, 1):
        pass
    wrong = torch.zeros(len(test), dtype=torch.bool)
    wrong[accuracy["wrong"][0]] = True
    assert score(classifier, replace(test, images=test.images[wrong], labels=test.labels[wrong]))[0] == 0
    assert score(classifier, replace(test, images=test.images[~wrong], labels=test.labels[~wrong]))[0] == 1


def test_wrong_labels_teach_wrong_classes(upstream: Path) -> None:
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    save_samples(upstream, digits, (digits.labels + 1) % 10)
    baseline.run(baseline_params(seeds=[1]), upstream)
    usefulness.run(upstream)
    assert result_of(upstream)["samples"]["mean"] < 0.1
    assert result_of(upstream)["samples"]["standard_deviation"] is None


def test_samples_without_classes_have_no_score_and_say_why(upstream: Path) -> None:
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    save_samples(upstream, digits, torch.full_like(digits.labels, NO_LABEL))
    baseline.run(baseline_params(seeds=[1], epochs=1), upstream)
    usefulness.run(upstream)
    assert "unconditional" in result_of(upstream)["undefined"]
    assert json.loads((upstream / "usefulness" / "cas.json").read_text(encoding="utf-8")) == {}


def test_a_recipe_that_learns_too_little_from_real_digits_is_no_judge(
    upstream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One epoch over a thousand digits, by MNIST's own bar: CAS has no ratio that could praise the samples."""
    baseline.run(baseline_params(seeds=[1], epochs=1), upstream)
    capsys.readouterr()
    usefulness.run(upstream)
    details = result_of(upstream)
    (printed,) = capsys.readouterr().out.splitlines()
    real = details["real_digits"]["accuracy"]["mean"]
    assert real < 0.97
    begin = "no judgement: a classifier that learned from 1,000 real images recognises"
    assert printed.startswith(f"{begin} {100 * real:g} % of the test images, a judge needs 97 %; ")
    assert details["in_plain_words"] == printed
    assert "ratio" not in printed


def test_as_many_samples_as_training_digits_and_no_more(upstream: Path) -> None:
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    twice = ImageSet(digits.images.repeat(2, 1, 1, 1), digits.labels.repeat(2), digits.classes)
    save_samples(upstream, twice, twice.labels)
    baseline.run(baseline_params(seeds=[1], epochs=1), upstream)
    usefulness.run(upstream)
    assert result_of(upstream)["protocol"]["num_images"] == 1000
    assert "fewer samples" not in result_of(upstream)["in_plain_words"]


def test_of_a_large_file_no_more_samples_are_read_than_are_used(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have labels that whoever reads them refuses; without them every byte is the same."""
    baseline.run(baseline_params(seeds=[1], epochs=1), upstream)
    usefulness.run(upstream)
    alone = result_of(upstream)
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    more = ImageSet(digits.images.repeat(2, 1, 1, 1), digits.labels.repeat(2), digits.classes)
    more.labels[1000:] = 77
    save_samples(upstream, more, more.labels)
    monkeypatch.setattr(shards, "READ_WHOLE", 500)
    usefulness.run(upstream)
    assert result_of(upstream) == alone


def test_fewer_samples_than_training_digits_are_mentioned(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    fewer = ImageSet(digits.images[:600], digits.labels[:600], digits.classes)
    save_samples(upstream, fewer, fewer.labels)
    set_least_accuracy(upstream, 0.5)
    baseline.run(baseline_params(), upstream)
    capsys.readouterr()
    usefulness.run(upstream)
    details = result_of(upstream)
    (printed,) = capsys.readouterr().out.splitlines()
    assert printed == details["in_plain_words"]
    assert "after 600 samples alone" in printed
    assert "after 1,000 real images" in printed
    assert "fewer samples than real images" in printed
    assert "no judgement" not in printed
    protocol = details["protocol"]
    assert (protocol["num_images"], protocol["real_digits"]) == (600, {"split": "train", "num_images": 1000})
    assert protocol["reference"] == {"split": "test", "num_images": 400}
    assert protocol["versions"].keys() == {"torch", "numpy"}
    assert details["metrics"]["cas"]["ratio"] < 1


def test_a_single_test_digit_is_refused(upstream: Path) -> None:
    baseline.run(baseline_params(seeds=[1], epochs=1), upstream)
    test = load_image_set(upstream / "normalize" / "test.safetensors")
    (upstream / "normalize").unlink()
    save_image_set(upstream / "normalize" / "test.safetensors", test.images[:1], test.labels[:1], test.classes)
    with pytest.raises(UserError, match=r"test\.safetensors: expected at least 2 images to halve, found 1"):
        usefulness.run(upstream)


@pytest.mark.parametrize("cores", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_number_of_cores_changes_no_bit(cores: int, normalized: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = (load_image_set(normalized / "normalize" / f"{split}.safetensors") for split in ("train", "test"))
    recipe = Recipe.model_validate(RECIPE | {"epochs": 1, "shift_pixels": 2})
    alone = [measure.mistakes_of_seed(train, test, recipe, seed, Event()).tolist() for seed in (1, 2, 3)]
    monkeypatch.setattr(measure, "available_cores", lambda: cores)
    assert [rows.tolist() for rows in measure.mistakes_of_seeds(train, test, recipe, [1, 2, 3])] == alone


def test_too_few_images_for_a_batch_are_refused(upstream: Path) -> None:
    with pytest.raises(UserError, match=r"baseline\.batch_size: expected at most the 1000 images, found 1001"):
        baseline.run(baseline_params(batch_size=1001), upstream)


def test_a_missing_baseline_is_reported_with_what_to_do(upstream: Path) -> None:
    with pytest.raises(UserError, match=r"baseline\.json is missing; .*dvc repro baseline"):
        usefulness.run(upstream)


@pytest.fixture(scope="module")
def baseline_content(normalized: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What baseline writes for two seeds."""
    data = tmp_path_factory.mktemp("baseline") / "data"
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize")
    baseline.run(baseline_params(epochs=1), data)
    content: dict[str, Any] = json.loads((data / "baseline" / "baseline.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": None}, "recipe: "),
        ({"recipe.width": 10**9}, "recipe.width: expected less than or equal to 256, found 1000000000"),
        ({"recipe.batch_size": 10**9}, "expected num_images to fill a batch of 1000000000 .*found 1000"),
        ({"seeds": "1"}, "seeds: expected a valid list, found '1'"),
        ({"seeds": []}, "seeds: .*at least 1 item"),
        ({"seeds": [-1, 2]}, "seeds.0: expected greater than or equal to 0, found -1"),
        ({"seeds": [1, 1]}, r"seeds: expected each seed once: .*found \[1, 1\]"),
        ({"seeds": [1, 2, 3]}, "expected an accuracy for each of 3 seeds, found 2"),
        ({"num_images": -5}, "num_images: expected greater than or equal to 1, found -5"),
        ({"num_images": 10}, r"expected num_images to fill a batch of 50 \(recipe.batch_size\), found 10"),
        ({"accuracy.mean": 1.5}, "accuracy.mean: expected less than or equal to 1, found 1.5"),
        ({"accuracy.mean": float("nan")}, "is not valid JSON .the number 'NaN'."),
        ({"accuracy.mean": 0.125}, "accuracy: expected the mean of the values, 0.*, found 0.125"),
        ({"accuracy.values": [-0.5, 1.0]}, "accuracy.values.0: expected greater than or equal to 0, found -0.5"),
        ({"accuracy.values": [0.5], "accuracy.mean": 0.5}, "accuracy: expected 1 lists of wrong rows, .*found 2"),
        (
            {"accuracy.values": [0.125, 0.125], "accuracy.mean": 0.125},
            "accuracy.values.0: expected 0.* for .* wrong of 400 test images, found 0.125",
        ),
        ({"accuracy.standard_deviation": -1.0}, "accuracy.standard_deviation: .*found -1"),
        ({"accuracy.standard_deviation": None}, "accuracy: expected a standard_deviation of several values"),
        ({"accuracy.wrong": [[1], [400]]}, "accuracy.(values.0|wrong.1): "),
        ({"accuracy.wrong": [[5, 10**6], [1]]}, "accuracy.wrong.0: expected rows of the 400 .*found row 1000000"),
        ({"accuracy.wrong": [[-1], [1]]}, "accuracy.wrong.0.0: expected greater than or equal to 0, found -1"),
        ({"accuracy.wrong": [[5, 5], [1]]}, "accuracy.wrong.0: expected different rows in ascending order"),
        ({"accuracy.wrong": [[5]]}, "accuracy: expected 2 lists of wrong rows, one a value, found 1"),
    ],
)
def test_a_foreign_baseline_is_refused_by_key(
    changes: dict[str, Any],
    message: str,
    upstream: Path,
    baseline_content: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usefulness, "mistakes_of_seeds", None)  # refused before any computing
    content = deepcopy(baseline_content)
    for name, value in changes.items():
        section, _, key = name.rpartition(".")
        (content[section] if section else content)[key] = value
    path = upstream / "baseline" / "baseline.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=rf"baseline\.json:? {message}.*dvc repro baseline"):
        usefulness.run(upstream)
    assert not (upstream / "usefulness").exists()


def damaged(upstream: Path, split: str, damage: Callable[[ImageSet], ImageSet]) -> None:
    """The digits with this change in one split."""
    shared = (upstream / "normalize").resolve()
    (upstream / "normalize").unlink()
    shutil.copytree(shared, upstream / "normalize")
    path = upstream / "normalize" / f"{split}.safetensors"
    digits = damage(load_image_set(path))
    save_image_set(path, digits.images, digits.labels, digits.classes)


def unlabelled(digits: ImageSet) -> ImageSet:
    return replace(digits, labels=torch.full_like(digits.labels, NO_LABEL))


@pytest.mark.parametrize(
    ("split", "damage", "message"),
    [
        ("train", unlabelled, "train.safetensors: expected a label for each image"),
        ("test", unlabelled, "test.safetensors: expected a label for each image"),
        ("train", lambda digits: digits.select(digits.labels != 3), "train.safetensors: .*found none of 3; raise"),
        ("test", lambda digits: digits.select(slice(1)), "test.safetensors: expected at least 2 images"),
    ],
)
def test_digits_that_teach_or_test_nothing_are_refused(
    split: str, damage: Callable[[ImageSet], ImageSet], message: str, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "mistakes_of_seeds", None)
    damaged(upstream, split, damage)
    with pytest.raises(UserError, match=message):
        baseline.run(baseline_params(), upstream)
    assert not (upstream / "baseline").exists()
    if split == "test":
        with pytest.raises(UserError, match=message):
            usefulness.run(upstream)


def test_a_seed_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"baseline.seeds: expected each seed once: .*found \[1, 2, 1\]"):
        baseline_params(seeds=[1, 2, 1])


def test_samples_of_other_classes_than_the_digits_are_refused(upstream: Path) -> None:
    baseline.run(baseline_params(seeds=[1], epochs=1), upstream)
    path = upstream / "generate" / "samples.safetensors"
    samples = load_image_set(path)
    save_image_set(path, samples.images, samples.labels, list("abcdefghij"))
    with pytest.raises(UserError, match=r"samples\.safetensors: expected classes \['0'.*, found \['a'"):
        usefulness.run(upstream)
