"""Stage track: the averaged generator over training, against validation digits."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stages import track
from stages.classifier.model import Classifier, classifier_from
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set, to_levels
from stages.common.initialise import initialise
from stages.common.params import validate_section
from stages.gan import architectures, sampler
from stages.gan.snapshots import read_snapshots
from stages.metrics.frechet import frechet_distance
from tests.evaluation_inputs import set_least_accuracy

CLASSES = [str(digit) for digit in range(10)]
SNAPSHOTS = Path("train_gan/snapshots.safetensors")


def params(**changes: Any) -> track.Params:
    return validate_section({"track": {"num_images": 100, "neighbours": 3, "seed": 1} | changes}, "track", track.Params)


def save_snapshots(data: Path, steps: list[int], num_classes: int = 10) -> None:
    """Generators that were never trained, each with a seed of its own: the number of its steps."""
    arguments = {"image_shape": [1, 28, 28], "num_classes": num_classes, "z_dim": 8, "width": 4}
    tensors: dict[str, torch.Tensor] = {}
    for count in steps:
        generator = architectures.build_generator("dcgan", arguments)
        initialise(generator, count, "G")
        tensors |= {f"{count}.{name}": tensor for name, tensor in generator.state_dict().items()}
    meta = {"network": "dcgan", "arguments": arguments, "classes": CLASSES, "batch_size": 50}
    write_tensors(data / SNAPSHOTS, tensors, meta)


@pytest.fixture
def upstream(normalized: Path, data: Path) -> Path:
    data.mkdir()
    (data / "normalize").symlink_to(normalized / "normalize")
    classifier = Classifier([1, 28, 28], 10, 4, 64)
    initialise(classifier, 1, "classifier")
    meta = {"arguments": classifier.arguments, "classes": CLASSES}
    write_tensors(data / "train_classifier" / "classifier.safetensors", classifier.state_dict(), meta)
    save_snapshots(data, [20, 100, 60])
    return data


def table(data: Path) -> pd.DataFrame:
    return pd.read_csv(data / "track" / "track.csv")


def test_a_row_for_each_snapshot_in_the_order_of_training(upstream: Path) -> None:
    track.run(params(), upstream)
    rows = table(upstream)
    assert list(rows.columns) == ["kimg", "fd_classifier", "coverage", "gan_test_accuracy"]
    assert rows["kimg"].tolist() == [1.0, 3.0, 5.0]
    assert rows["fd_classifier"].nunique() == 3


def test_a_frame_for_each_snapshot_shows_the_first_samples(upstream: Path) -> None:
    track.run(params(), upstream)
    snapshots = read_snapshots(upstream / SNAPSHOTS, load_image_set(upstream / "normalize" / "validation.safetensors"))
    with Image.open(upstream / "track" / "training.gif") as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]
        for number, snapshot in enumerate(snapshots):
            picture.seek(number)
            made = np.asarray(picture.convert("L"))
            sampler = snapshot.sampler(seed=1)
            image = to_levels(sampler.images(sampler.latents("z", 38), torch.arange(38) % 10)[37, 0]).numpy()
            top, left = 2 + 3 * (84 + 2), 2 + 7 * (84 + 2)
            assert np.array_equal(made[top : top + 84 : 3, left : left + 84 : 3], image)


def test_a_row_belongs_to_its_own_snapshot(upstream: Path) -> None:
    track.run(params(), upstream)
    together = table(upstream)
    save_snapshots(upstream, [60])
    track.run(params(), upstream)
    assert table(upstream).iloc[0].to_dict() == together.iloc[1].to_dict()


def test_figures_are_those_of_the_metrics_against_validation_digits(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the validation digits themselves in the samples' place, distance and coverage are known."""
    real = load_image_set(upstream / "normalize" / "validation.safetensors").images[:100]
    monkeypatch.setattr(sampler.Sampler, "images", lambda self, z, y: real)
    track.run(params(), upstream)
    assert table(upstream)["fd_classifier"].abs().max() < 1e-6
    assert table(upstream)["coverage"].tolist() == [1.0] * 3


def test_distance_is_the_frechet_distance_to_validation_features(upstream: Path) -> None:
    digits = load_image_set(upstream / "normalize" / "validation.safetensors")
    first = read_snapshots(upstream / SNAPSHOTS, digits)[0]
    sampler = first.sampler(seed=1)
    tensors, meta = read_tensors(upstream / "train_classifier" / "classifier.safetensors")
    classifier = classifier_from(tensors, meta, "classifier")
    real = digits.images[:100]
    with torch.no_grad():
        samples = ((sampler.G(sampler.latents("z", 100), torch.arange(100) % 10) + 1) * 127.5).round() / 127.5 - 1
        expected = frechet_distance(classifier.features(real), classifier.features(samples))
    track.run(params(), upstream)
    assert first.kimg == 1.0
    assert table(upstream)["fd_classifier"][0] == pytest.approx(expected, rel=1e-3)


def details(data: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data / "track" / "details.json").read_text(encoding="utf-8"))
    return content


def test_what_the_rows_depend_on_stands_beside_them(upstream: Path) -> None:
    track.run(params(num_images=150), upstream)
    classifier = (upstream / "train_classifier" / "classifier.safetensors").read_bytes()
    protocol = details(upstream)["protocol"]
    assert protocol.keys() == {"features", "neighbours", "num_images", "reference", "seed", "versions"}
    accuracy = protocol["features"].pop("validation_accuracy")
    assert protocol["features"] == {"classifier_sha256": hashlib.sha256(classifier).hexdigest(), "num_features": 64}
    assert accuracy == recognised_of(upstream, 150)
    assert (protocol["num_images"], protocol["neighbours"], protocol["seed"]) == (150, 3, 1)
    assert protocol["reference"] == {"split": "validation", "num_images": 150}
    assert protocol["versions"].keys() == {"torch", "numpy"}


def recognised_of(data: Path, count: int) -> float:
    """The share of the first validation digits that the classifier recognises, without blocks."""
    digits = load_image_set(data / "normalize" / "validation.safetensors").select(slice(count))
    classifier = classifier_from(*read_tensors(data / "train_classifier" / "classifier.safetensors"), "classifier")
    return (classifier(digits.images).argmax(1) == digits.labels).double().mean().item()


def test_the_curve_is_summed_up_against_its_floor(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_least_accuracy(upstream, 0.0)
    track.run(params(), upstream)
    words, rows, floor = details(upstream)["in_plain_words"], table(upstream), details(upstream)["floor"]
    least = rows.iloc[int(rows["fd_classifier"].argmin())]
    ratio = least["fd_classifier"] / floor["fd_classifier"]
    begin = f"least distance {least['fd_classifier']:.3g} after {least['kimg']:g} kimg, {ratio:.2f} times the floor"
    assert words == f"{begin}; within 1.1 times the floor at no time"
    assert capsys.readouterr().out.splitlines()[-1] == words


def test_a_classifier_without_training_is_no_judge(upstream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track.run(params(), upstream)
    share = f"{100 * recognised_of(upstream, 100):g} %"
    words = f"no judgement: the classifier recognises {share} of the validation images, a judge needs 97 %"
    assert details(upstream)["in_plain_words"] == words
    assert capsys.readouterr().out.splitlines()[-1] == words


def test_the_floor_is_that_of_the_validation_digits_after_the_reference(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As rows of snapshots would be, with those digits in the samples' place."""
    track.run(params(num_images=80), upstream)
    floor = details(upstream)["floor"]
    digits = load_image_set(upstream / "normalize" / "validation.safetensors")
    monkeypatch.setattr(sampler.Sampler, "images", lambda self, z, y: digits.images[80:160])
    track.run(params(num_images=80), upstream)
    row = table(upstream).iloc[0]
    assert floor["num_images"] == 80
    for name in ("fd_classifier", "coverage"):
        assert floor[name] == pytest.approx(row[name], rel=1e-5)
    assert 0 <= floor["gan_test_accuracy"] <= 1
    assert floor["gan_test_accuracy"] != pytest.approx(row["gan_test_accuracy"])  # of their own labels, not round-robin


@pytest.mark.parametrize(("num_images", "left"), [(150, 50), (196, 4), (197, 0), (500, 0)])
def test_a_floor_of_too_few_digits_says_so(num_images: int, left: int, upstream: Path) -> None:
    track.run(params(num_images=num_images), upstream)
    content = details(upstream)
    assert content["protocol"]["reference"]["num_images"] == min(num_images, 200)
    assert content["floor"].get("num_images", 0) == left
    assert ("undefined" in content["floor"]) is (left == 0)


def test_an_unconditional_gan_has_no_accuracy(upstream: Path) -> None:
    save_snapshots(upstream, [20], num_classes=0)
    track.run(params(), upstream)
    assert table(upstream)["gan_test_accuracy"].isna().all()
    assert table(upstream)["fd_classifier"].notna().all()


def test_no_snapshot_is_refused(upstream: Path) -> None:
    save_snapshots(upstream, [])
    with pytest.raises(UserError, match=r"snapshots\.safetensors: expected at least one snapshot, found none; set "):
        track.run(params(), upstream)


@pytest.mark.parametrize(
    ("changes", "compared"), [({"neighbours": 100}, 100), ({"neighbours": 200, "num_images": 1000}, 200)]
)
def test_too_many_neighbours_are_refused_before_anything_is_computed(
    upstream: Path, changes: dict[str, int], compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "reference_of", None)
    message = (
        rf"track\.neighbours: expected less than the {compared} validation images compared, of 200 .*found {compared}"
    )
    with pytest.raises(UserError, match=message):
        track.run(params(**changes), upstream)


def test_validation_digits_without_labels_are_refused(upstream: Path) -> None:
    digits = load_image_set(upstream / "normalize" / "validation.safetensors")
    (upstream / "normalize").unlink()  # a link to what all tests share
    path = upstream / "normalize" / "validation.safetensors"
    save_image_set(path, digits.images, torch.full_like(digits.labels, NO_LABEL), digits.classes)
    with pytest.raises(UserError, match=r"validation\.safetensors: expected a label for each image"):
        track.run(params(), upstream)
    assert not (upstream / "track").exists()


def test_a_bad_snapshot_is_refused_before_the_first_is_measured(
    upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "draw_samples", None)
    tensors, meta = read_tensors(upstream / SNAPSHOTS)
    last = max(tensors, key=lambda name: int(name.partition(".")[0]))
    write_tensors(upstream / SNAPSHOTS, tensors | {last: tensors[last].double()}, meta)
    with pytest.raises(UserError, match=r"snapshots\.safetensors holds no generator"):
        track.run(params(), upstream)


def test_pixels_that_are_not_numbers_are_refused(upstream: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As finite weights may give."""
    monkeypatch.setattr(sampler, "in_blocks", lambda _, z, y: torch.full((len(z), 1, 28, 28), torch.nan))
    with pytest.raises(UserError, match=r"snapshots\.safetensors: .*pixels that are not numbers"):
        track.run(params(), upstream)
    assert not (upstream / "track").exists()


@pytest.mark.parametrize(
    ("prefix", "changes", "message"),
    [
        ("", {}, r"expected tensors named by steps, a point and a name in G, found '"),
        ("20.", {"batch_size": None}, "expected batch_size to be a number of images, at least 1, found None"),
        ("20.", {"arguments": None}, r"expected image shape \[1, 28, 28\], found None"),
        ("20.", {"classes": ["a"]}, "expected classes .*'9'.*, found .*'a'"),
    ],
)
def test_another_kind_of_file_is_refused(upstream: Path, prefix: str, changes: dict[str, object], message: str) -> None:
    tensors, meta = read_tensors(upstream / SNAPSHOTS)
    renamed = {prefix + name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    write_tensors(upstream / SNAPSHOTS, renamed, meta | changes)
    with pytest.raises(UserError, match=rf"snapshots\.safetensors: {message}"):
        track.run(params(), upstream)


def test_validation_digits_of_another_shape_are_refused(upstream: Path) -> None:
    digits = load_image_set(upstream / "normalize" / "validation.safetensors")
    (upstream / "normalize").unlink()  # a link to what all tests share
    path = upstream / "normalize" / "validation.safetensors"
    save_image_set(path, digits.images[:, :, 2:-2], digits.labels, digits.classes)
    with pytest.raises(UserError, match=r"snapshots\.safetensors: expected image shape \[1, 24, 28\], found \[1, 28"):
        track.run(params(), upstream)


def test_foreign_snapshots_are_refused(upstream: Path) -> None:
    tensors, meta = read_tensors(upstream / SNAPSHOTS)
    write_tensors(upstream / SNAPSHOTS, tensors, meta | {"network": "unknown"})
    with pytest.raises(UserError, match=r"snapshots\.safetensors holds no generator"):
        track.run(params(), upstream)
