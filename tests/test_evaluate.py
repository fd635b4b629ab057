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
from stages.classifier.model import Classifier
from stages.common.errors import UserError
from stages.common.files import read_json, read_tensors, write_json, write_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set, to_levels
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.evaluation.details import Details
from stages.evaluation.registry import METRICS
from stages.metrics.frechet import frechet_distance
from stages.metrics.kernel import kernel_distance
from stages.metrics.resampling import halved

FILES = {"metrics.json", "details.json", "classes.csv", "confusion.csv", "confusion.png", "nearest.png"}
CHOSEN = ["fd_classifier", "kd_classifier", "precision", "density", "coverage", "gan_test_accuracy", "c_t"]
VALUES: dict[str, Any] = {"metrics": CHOSEN, "neighbours": 3, "num_images": 150, "protocol": "classifier", "seed": 1}
TRAIN, TEST, VALIDATION = (Path(f"normalize/{split}.safetensors") for split in ("train", "test", "validation"))
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
    """A data folder with all that evaluate reads; the samples are digits that the classifier was trained on.

    They are no longer among the training digits, so that they are no copies.
    """
    shutil.copytree(normalized / "normalize", data / "normalize")
    train = load_image_set(data / TRAIN)
    save_image_set(data / SAMPLES, train.images[:180], train.labels[:180], train.classes)
    save_image_set(data / TRAIN, train.images[180:], train.labels[180:], train.classes)
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
    for name in ("precision", "density", "coverage", "gan_test_accuracy"):
        assert digits[name] > floors[name] - 0.15 > noise[name]
    assert abs(digits["c_t"]) < 4 < noise["c_t"]


def test_details_tell_value_floor_ratio_and_protocol(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    entries = details["metrics"]
    assert list(metrics) == sorted(CHOSEN)
    assert metrics == {name: entries[name]["value"] for name in CHOSEN}
    assert entries.keys() == METRICS.keys()
    of_classes = {
        f"{one['class']}: {name}": entry for one in details["classes"] for name, entry in one["metrics"].items()
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


def test_another_seed_changes_halves_and_what_hangs_on_draws_alone(upstream: Path) -> None:
    found = []
    for seed in (1, 2):
        evaluate.run(params(seed=seed), upstream)
        found.append(results(upstream)[1]["metrics"])
    one, other = found
    assert one["fd_classifier"]["halves"] != other["fd_classifier"]["halves"]
    assert one["fd_infinity"]["value"] != other["fd_infinity"]["value"]
    assert one["precision"]["ratio_interval"] != other["precision"]["ratio_interval"]
    for name in METRICS.keys() - {"fd_infinity"}:
        assert (one[name]["value"], one[name]["floor"]) == (other[name]["value"], other[name]["floor"])


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
    """Where the details hold a None, or a list with one, that no `undefined` beside it explains."""
    if isinstance(content, list):
        return [found for i, one in enumerate(content) for found in nulls_without_a_reason(one, f"{path}.{i}")]
    if not isinstance(content, dict):
        return []
    told = content.get("undefined", {})
    found = (
        []
        if not isinstance(told, dict)
        else [
            f"{path}.{key}"
            for key, value in content.items()
            if (value is None or (isinstance(value, list) and None in value)) and key not in told
        ]
    )
    return found + [one for key, value in content.items() for one in nulls_without_a_reason(value, f"{path}.{key}")]


def test_training_digits_as_samples_are_called_copies(upstream: Path) -> None:
    train = load_image_set(upstream / TRAIN)
    save_image_set(upstream / SAMPLES, train.images[:180], train.labels[:180], train.classes)
    evaluate.run(params(), upstream)
    metrics, details = results(upstream)
    assert metrics["c_t"] < -3 < details["metrics"]["c_t"]["floor"]
    assert details["metrics"]["authenticity"]["value"] == 0
    assert details["memorisation"]["copies"]["samples"] == 150
    assert "signs of copying (C_T" in details["in_plain_words"]


def test_halves_too_small_for_the_metrics_are_left_out(upstream: Path) -> None:
    change_images(upstream, lambda images: images[:101], lambda labels: labels[:101], TEST)
    evaluate.run(params(neighbours=50), upstream)
    details = results(upstream)[1]
    for entry in details["metrics"].values():
        assert (entry["halves"], entry["undefined"]["halves"]) == (None, "too few test digits to halve them")
    assert nulls_without_a_reason(details) == []


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
    assert set(metrics) == set(CHOSEN) - {"gan_test_accuracy"}
    entry = details["metrics"]["gan_test_accuracy"]
    assert (entry["value"], entry["ratio"]) == (None, None)
    assert all("no class was asked for" in entry["undefined"][key] for key in ("value", "ratio", "ratio_interval"))
    assert entry["floor"] > 0.5
    assert nulls_without_a_reason(details) == []
    assert (upstream / "evaluate" / "confusion.csv").read_bytes() == b"asked,recognised\n"


def test_only_the_metrics_chosen_stand_in_metrics_json(upstream: Path) -> None:
    evaluate.run(params(metrics=["coverage", "class_imbalance"]), upstream)
    metrics, details = results(upstream)
    assert metrics.keys() == {"coverage", "class_imbalance"}
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
        found = load_image_set(data / path)
        save_image_set(data / path, found.images[found.labels == 0], found.labels[found.labels == 0], ["0"])
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
    upstream: Path, damage: Callable[[Path], None], undefined: set[str]
) -> None:
    """Constant images, hardly any images, digits of one class: write_json refuses what is not finite."""
    damage(upstream)
    evaluate.run(params(), upstream)
    _, details = results(upstream)
    missing = {name: entry["undefined"] for name, entry in details["metrics"].items() if entry["value"] is None}
    assert missing.keys() == undefined
    assert all(missing.values())
    assert nulls_without_a_reason(details) == []
    assert details["in_plain_words"].startswith("good: ")


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
        (lambda data: (data / TRAIN).unlink(), TRAIN, "is missing"),
        (lambda data: (data / CLASSIFIER).unlink(), CLASSIFIER, "is missing"),
        (truncate, VALIDATION, "is not a file of this pipeline"),
        (lambda data: change_images(data, pad), SAMPLES, r"expected image shape \[1, 28, 28\], .*found \[1, 32, 32\]"),
        (lambda data: change_images(data, pad, path=VALIDATION), VALIDATION, r"found \[1, 32, 32\]"),
        (lambda data: change_images(data, pad, path=TRAIN), TRAIN, r"found \[1, 32, 32\]"),
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


class _Pooled(torch.nn.Module):
    """In Inception's place, for its size: features of uint8 images [B, 3, H, W]."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (torch.nn.functional.adaptive_avg_pool2d(images.float(), 4)[:, 0].flatten(1),)


def test_the_protocol_of_papers_adds_fid_and_kid(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "load_inception", _Pooled)
    evaluate.run(params(protocol="inception", metrics=["fid", "coverage"]), upstream)
    metrics, details = results(upstream)
    assert set(metrics) == {"fid", "coverage"}
    assert details["metrics"].keys() == METRICS.keys() | {"fid", "kid"}
    assert details["metrics"]["fid"]["value"] == metrics["fid"]
    test, validation, samples = (
        _Pooled()(to_levels(load_image_set(upstream / path).images[:count]).expand(-1, 3, -1, -1))[0]
        for path, count in ((TEST, 400), (VALIDATION, 150), (SAMPLES, 150))
    )
    for name, distance in (("fid", frechet_distance), ("kid", lambda *sets: kernel_distance(*sets).value)):
        entry = details["metrics"][name]
        assert entry["value"] == distance(test, samples)
        assert entry["floor"] == distance(test, validation)
        one, other = (test[rows] for rows in halved(1, 400))
        assert entry["halves"] == distance(one, other)
        assert entry["ratio_interval"][0] <= entry["ratio"]
    assert details["protocol"]["inception_sha256"].startswith("6726825d")
    assert details["protocol"]["versions"].keys() == {"torch", "numpy", "torch-fidelity"}


def test_the_protocol_of_papers_shows_no_figure_that_was_not_chosen(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that `dvc exp show` stays at eight, with cas."""
    monkeypatch.setattr(evaluate, "load_inception", _Pooled)
    evaluate.run(params(protocol="inception"), upstream)
    metrics, details = results(upstream)
    assert set(metrics) == set(CHOSEN)
    assert len(CHOSEN) == evaluate.MOST_SHOWN == 7
    assert {"fid", "kid"} <= details["metrics"].keys()


def test_without_inceptions_weights_nothing_is_begun(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_INCEPTION_WEIGHTS", str(upstream / "absent.pth"))
    with pytest.raises(UserError, match="GAN_INCEPTION_WEIGHTS"):
        evaluate.run(params(protocol="inception"), upstream)
    assert not (upstream / "evaluate").exists()
