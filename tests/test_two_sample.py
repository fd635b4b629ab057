"""Stage two_sample: judges that tell samples from real digits, and a second opinion on their distance."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import train_classifier, two_sample
from stages.classifier.fit import Recipe
from stages.classifier.judge import trained_judge
from stages.common import draws, shards
from stages.common.errors import UserError
from stages.common.images import NO_LABEL, ImageSet, load_image_set, save_image_set, to_levels
from stages.common.params import validate_section
from stages.evaluation import two_sample as judging
from stages.evaluation.sides import Sides
from stages.evaluation.two_sample_details import TwoSampleDetails
from tests.evaluation_inputs import set_least_accuracy

RECIPE: dict[str, Any] = {"width": 8, "num_features": 64, "epochs": 3, "batch_size": 20, "lr": 0.01, "shift_pixels": 0}
FIGURES = ["two_sample", "two_sample_thresholded", "two_sample_features"]


def params(**changes: Any) -> two_sample.Params:
    section = RECIPE | {"num_train": 300, "num_test": 200, "seeds": [1]} | changes
    return validate_section({"two_sample": section}, "two_sample", two_sample.Params)


@pytest.fixture(scope="session")
def shuffled(normalized: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, to read only: all the tiny digits shuffled, so that every split is of one distribution.

    The folder `others` holds 500 more of them, which stand for samples.
    """
    data = tmp_path_factory.mktemp("two_sample") / "data"
    splits = ("train", "validation", "test")
    loaded = [load_image_set(normalized / "normalize" / f"{split}.safetensors") for split in splits]
    images, labels = (torch.cat([getattr(each, key) for each in loaded]) for key in ("images", "labels"))
    order = draws.permutation(1, "tests.two_sample", 0, len(images))
    for name, rows in zip([*splits, "others"], order.split([500, 240, 360, 500]), strict=True):
        folder = "others" if name == "others" else "normalize"
        save_image_set(data / folder / f"{name}.safetensors", images[rows], labels[rows], loaded[0].classes)
    shutil.copy(normalized / "normalize" / "dataset.json", data / "normalize")
    set_least_accuracy(data, 0.7)  # what so few digits teach a classifier
    section = {"train_classifier": RECIPE | {"seed": 1}}
    train_classifier.run(validate_section(section, "train_classifier", train_classifier.Params), data)
    return data


@pytest.fixture
def upstream(shuffled: Path, data: Path) -> Path:
    """A data folder with shuffled digits, their classifier, and digits of the same distribution as samples."""
    shutil.copytree(shuffled, data)
    save_samples(data, lambda images: images)
    return data


def save_samples(
    data: Path, change: Callable[[Tensor], Tensor], labels: Tensor | None = None, count: int = 500
) -> None:
    """Digits that no split holds, changed, as samples."""
    digits = load_image_set(data / "others" / "others.safetensors").select(slice(count))
    labels = digits.labels if labels is None else labels
    save_image_set(data / "generate" / "samples.safetensors", to_levels(change(digits.images)), labels, digits.classes)


def figures_of(data: Path) -> dict[str, float]:
    content: dict[str, float] = json.loads((data / "two_sample" / "metrics.json").read_text(encoding="utf-8"))
    return content


def details_of(data: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data / "two_sample" / "details.json").read_text(encoding="utf-8"))
    return content


def noisy(strength: float) -> Callable[[Tensor], Tensor]:
    def add(images: Tensor) -> Tensor:
        return images + strength * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))

    return add


def test_real_digits_as_samples_can_not_be_told_and_lie_at_the_floor(upstream: Path) -> None:
    two_sample.run(params(), upstream)
    details = TwoSampleDetails.model_validate(details_of(upstream))
    assert details.content() == details_of(upstream)
    assert figures_of(upstream) == {name: details.metrics[name].value for name in FIGURES}
    for name in FIGURES:
        entry = details.metrics[name]
        assert entry.value is not None
        assert entry.floor is not None
        assert entry.standard_error is not None
        assert entry.floor_standard_error is not None
        assert abs(entry.value - 0.5) < 4 * entry.standard_error
        assert abs(entry.floor - 0.5) < 4 * max(entry.floor_standard_error, 0.01)  # which is 0 if all are judged alike
    assert details.fd_second.ratio == pytest.approx(1, abs=0.5)
    assert details.protocol.labels.startswith("matched")


def test_words_begin_with_a_classifier_that_cannot_judge(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_least_accuracy(upstream, 1.0)
    two_sample.run(params(), upstream)
    words = details_of(upstream)["in_plain_words"]
    assert words.startswith("no judgement: the classifier recognises ")
    assert words in capsys.readouterr().out


@pytest.mark.slow
def test_more_damage_is_told_more_often_and_lies_farther(upstream: Path) -> None:
    figures, distances = [], []
    for strength in (0.0, 0.1, 0.8):
        save_samples(upstream, noisy(strength))
        two_sample.run(params(), upstream)
        figures.append(figures_of(upstream))
        distances.append(details_of(upstream)["fd_second"]["value"])
    pixels, black_and_white, features = ([figure[name] for figure in figures] for name in FIGURES)
    assert pixels[0] < 0.65
    assert pixels[1] > 0.9
    assert pixels[2] > 0.99
    assert black_and_white[1] < pixels[1]  # thresholding at half takes weak noise away
    assert black_and_white[2] > 0.9
    assert features[0] < features[2]
    assert distances == sorted(distances)
    assert distances[2] > 5 * distances[0]


@pytest.mark.slow
def test_permuted_labels_can_not_be_told(upstream: Path) -> None:
    """Noisy and clean digits, half and half on both sides."""
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    mixed = replace(digits, images=torch.cat([digits.images[:250], noisy(0.8)(digits.images[250:]).clamp(-1, 1)]))
    rows = draws.permutation(2, "tests.two_sample", 0, 500).split([150, 150, 100, 100])
    parts = [mixed.select(part) for part in rows]
    judged = judging.judged_by_cnn(Sides(*parts), lambda images: images, Recipe(**RECIPE), 1, Event())
    score = judging.verdicts([judged]).score
    assert score.value == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(200))


@pytest.mark.slow
def test_copies_of_the_training_digits_are_not_found(upstream: Path) -> None:
    """The blind spot: the same images on both sides can't be told, whatever was learned."""
    digits = load_image_set(upstream / "normalize" / "train.safetensors")
    save_image_set(
        upstream / "generate" / "samples.safetensors", to_levels(digits.images), digits.labels, digits.classes
    )
    two_sample.run(params(), upstream)
    assert max(figures_of(upstream).values()) < 0.56


@pytest.mark.slow
def test_samples_without_labels_are_judged_as_they_come(upstream: Path) -> None:
    save_samples(upstream, noisy(0.3), torch.full((500,), NO_LABEL))
    two_sample.run(params(), upstream)
    assert figures_of(upstream)["two_sample"] > 0.9
    assert details_of(upstream)["protocol"]["labels"].startswith("none")


def test_where_a_class_has_too_few_images_none_is_matched(upstream: Path) -> None:
    """A single sample of class 9: judged all the same, with those classes of the digits that samples have."""
    labels = load_image_set(upstream / "others" / "others.safetensors").labels.clamp(max=8)
    labels[0] = 9
    save_samples(upstream, noisy(0.3), labels)
    two_sample.run(params(), upstream)
    assert figures_of(upstream)["two_sample"] > 0.9
    assert details_of(upstream)["protocol"]["labels"].startswith("not matched")


@pytest.mark.slow
def test_the_number_of_cores_changes_no_byte(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for cores in (1, 2):
        monkeypatch.setattr(judging, "available_cores", lambda cores=cores: cores)
        two_sample.run(params(epochs=1, seeds=[1, 2]), upstream)
        written.append([(upstream / "two_sample" / name).read_bytes() for name in ("metrics.json", "details.json")])
    assert written[0] == written[1]


@pytest.mark.slow
def test_seeds_are_averaged_and_listed(upstream: Path) -> None:
    two_sample.run(params(epochs=1, seeds=[1, 2]), upstream)
    entry = details_of(upstream)["metrics"]["two_sample"]
    assert len(entry["seeds"]) == len(entry["floor_seeds"]) == 2
    assert entry["value"] == pytest.approx(sum(entry["seeds"]) / 2)


def test_too_few_images_are_refused_before_any_training(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object) -> None:
        pytest.fail("a judge was trained")

    monkeypatch.setattr(two_sample, "train_all", train)
    save_samples(upstream, lambda images: images, None, 3)
    with pytest.raises(UserError, match=r"^two_sample: too few images of a class") as error:
        two_sample.run(params(), upstream)
    assert "\n" not in str(error.value)


def test_of_few_images_judges_learn_in_smaller_batches_and_the_protocol_says_so(upstream: Path) -> None:
    two_sample.run(params(epochs=1, batch_size=1000), upstream)
    protocol = details_of(upstream)["protocol"]
    learned = min(2 * count["num_train"] for count in protocol["counts"]["two_sample"].values())
    assert protocol["recipe"]["batch_size"] == learned < 1000


@pytest.mark.parametrize("name", ["normalize/test", "generate/samples", "train_classifier/classifier"])
def test_a_missing_file_is_named(upstream: Path, name: str) -> None:
    (upstream / f"{name}.safetensors").unlink()
    with pytest.raises(UserError, match=rf"{name}\.safetensors"):
        two_sample.run(params(), upstream)


def test_a_loss_that_is_not_finite_is_named(upstream: Path) -> None:
    images: ImageSet = load_image_set(upstream / "normalize" / "train.safetensors")
    recipe = Recipe.model_validate(RECIPE | {"lr": 1.0, "epochs": 1})
    broken = ImageSet(torch.full_like(images.images, torch.nan), images.labels, images.classes)
    with pytest.raises(UserError, match=r"^the loss of epoch 1 is not finite; try a lower two_sample\.lr"):
        trained_judge(broken, recipe, 1, Event())


def test_of_a_large_file_no_more_samples_are_read_than_are_needed(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "READ_WHOLE", 100)
    counts = []

    def compared(params: two_sample.Params, images: dict[str, ImageSet]) -> None:
        counts.append(len(images["samples"]))
        raise InterruptedError

    monkeypatch.setattr(two_sample, "compared", compared)
    for num_train, num_test in ((120, 80), (300, 200)):
        with pytest.raises(InterruptedError):
            two_sample.run(params(num_train=num_train, num_test=num_test), upstream)
    assert counts == [200, 500]
