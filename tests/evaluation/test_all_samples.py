"""Figures of samples in many files: those of all of them at once, wherever files begin, by any number of processes."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages import evaluate
from stages.classifier.model import classifier_from
from stages.common import shards
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import read_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set, to_levels
from stages.common.shards import path_of
from stages.evaluation import all_samples
from stages.evaluation.all_samples import share
from tests.evaluation_inputs import CLASSIFIER, SAMPLES, TRAIN, params, results, written

COUNT = 430


@pytest.fixture
def upstream(evaluation_inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Samples in three files: digits, many of them twice."""
    monkeypatch.setattr(shards, "IMAGES_PER_CHUNK", 100)
    split(evaluation_inputs, 180, monkeypatch)
    return evaluation_inputs


def split(data: Path, per_file: int, monkeypatch: pytest.MonkeyPatch, label: int | None = None) -> None:
    """Write COUNT samples as files of that many."""
    monkeypatch.setattr(shards, "IMAGES_PER_FILE", per_file)
    train = load_image_set(data / TRAIN)
    levels, labels = to_levels(train.images[:COUNT]), train.labels[:COUNT]
    labels = labels if label is None else torch.full_like(labels, label)
    index = shards.index_of(COUNT)
    shards.clear(data / "generate")
    for number, numbers in enumerate(index.files):
        rows = slice(numbers.start, numbers.stop)
        save_image_set(path_of(data / "generate", number), levels[rows], labels[rows], train.classes)
    shards.write_index(data / "generate", index)


def evaluated(data: Path) -> dict[str, Any]:
    """What details.json holds of all samples."""
    evaluate.run(params(), data)
    entry: dict[str, Any] = results(data)[1]["all_samples"]
    return entry


def test_they_are_those_of_all_samples_at_once(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mean and covariance by numpy, the distance by another formula: the eigenvalues of the product."""
    entry = evaluated(upstream)
    path = upstream / CLASSIFIER
    classifier = classifier_from(*read_tensors(path), str(path))
    train = load_image_set(upstream / TRAIN)
    features, every = (in_blocks(classifier.features, images) for images in (train.images[:COUNT], train.images))
    recognised = classifier.logits(features).argmax(dim=1).tolist()
    asked = train.labels[:COUNT].tolist()
    both = [label for label, seen in zip(asked, recognised, strict=True) if label == seen]
    assert entry["num_images"] == COUNT
    assert entry["classes"] == {
        name: {
            "asked": Counter(asked)[label],
            "recognised": Counter(recognised)[label],
            "recognised_as_asked": Counter(both)[label],
        }
        for label, name in enumerate(train.classes)
    }
    assert entry["gan_test_accuracy"]["count"] == len(both)
    assert entry["gan_test_accuracy"]["value"] == len(both) / COUNT
    (mean_1, cov_1), (mean_2, cov_2) = (
        (rows.mean(axis=0), np.cov(rows.T)) for rows in (every.double().numpy(), features.double().numpy())
    )
    roots = np.sqrt(np.linalg.eigvals(cov_1 @ cov_2).astype(complex)).real.sum()
    distance = ((mean_1 - mean_2) ** 2).sum() + np.trace(cov_1) + np.trace(cov_2) - 2 * roots
    assert entry["fd_classifier_to_training"]["samples"] == pytest.approx(distance, rel=1e-6)
    assert entry["fd_classifier_to_training"]["num_training"] == len(train)
    assert f"all {COUNT} samples: distance to the training images {distance:.3g}, where" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_other_cuts_and_processes_change_no_byte(count: int, upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate.run(params(), upstream)
    before = written(upstream)
    split(upstream, 207, monkeypatch)  # the first 150 samples, which are compared, are the same
    monkeypatch.setattr(all_samples, "processes_for", lambda _items: count)
    evaluate.run(params(), upstream)
    assert written(upstream) == before


def test_one_file_has_no_such_figures_and_an_index_changes_no_byte(upstream: Path) -> None:
    for stale in (upstream / "generate" / "shards").glob("samples*"):
        stale.unlink()
    shards.write_index(upstream / "generate", shards.index_of(180))
    evaluate.run(params(), upstream)
    with_index = written(upstream)
    assert "all_samples" not in results(upstream)[1]
    shards.clear(upstream / "generate")
    (upstream / "generate" / "shards").rmdir()
    evaluate.run(params(), upstream)
    assert written(upstream) == with_index


def test_without_labels_no_accuracy_is_given(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split(upstream, 180, monkeypatch, NO_LABEL)
    entry = evaluated(upstream)
    assert entry["gan_test_accuracy"] == {"undefined": "no class was asked for: the GAN is unconditional"}
    assert {row["asked"] for row in entry["classes"].values()} == {0}
    assert sum(row["recognised"] for row in entry["classes"].values()) == COUNT


def test_a_missing_file_is_refused_by_name(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "embed", None)  # refused before any computing
    path_of(upstream / "generate", 2).unlink()
    with pytest.raises(UserError, match=r"shards/samples_00002\.safetensors is missing; .*dvc repro generate"):
        evaluate.run(params(), upstream)
    assert (upstream / SAMPLES).exists()


def test_a_foreign_file_is_refused_by_name_before_the_long_work(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "embed", None)
    path = path_of(upstream / "generate", 1)
    samples = load_image_set(path)
    save_image_set(path, to_levels(samples.images), samples.labels, list("abcdefghij"))
    with pytest.raises(UserError, match=r"samples_00001\.safetensors: expected classes \['0'.*, found \['a'"):
        evaluate.run(params(), upstream)


def test_a_wrong_number_of_processes_is_refused_before_the_long_work(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "embed", None)
    monkeypatch.setenv("GAN_PROCESSES", "many")
    with pytest.raises(UserError, match=r"^GAN_PROCESSES: expected a whole number, at least 1, found 'many'$"):
        evaluate.run(params(), upstream)


@pytest.mark.parametrize(("count", "total"), [(0, 10), (10, 10), (994, 1000), (9_940_000, 10**7)])
def test_the_bounds_of_a_share_are_where_it_would_be_as_far_as_chance_allows(count: int, total: int) -> None:
    """Wilson's interval ends at p where |share - p| is 1.96 standard errors of a share whose probability is p."""
    entry = share(count, total)
    assert 0 <= entry.interval[0] <= entry.value <= entry.interval[1] <= 1
    for bound in entry.interval:
        if 0 < bound < 1:
            error = math.sqrt(bound * (1 - bound) / total)
            assert abs(entry.value - bound) / error == pytest.approx(1.959964, rel=1e-5)
    assert (entry.interval[1] - entry.interval[0]) < 4 / math.sqrt(total)
