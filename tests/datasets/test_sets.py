"""The registry of datasets, and a dataset of another file format, in colours, all the way through the pipeline."""

import gzip
import io
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from stages import download, generate, normalize, train_classifier, train_gan
from stages.classifier.model import load_classifier
from stages.common.grids import grid_png
from stages.common.images import load_image_set, to_colours, to_levels
from stages.common.params import StageParams, read_params_file, validate_section
from stages.datasets import registry
from stages.datasets.formats import idx
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File
from stages.datasets.sources.folder import Folder
from tests.datasets.entries import register
from tests.gan_params import gan_params

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [name for name in registry.names() if name != registry.OWN_IMAGES])
def test_entries_are_complete(name: str) -> None:
    dataset = registry.load(name)
    assert dataset.sources
    assert dataset.classes
    assert len(set(dataset.classes)) == len(dataset.classes)
    assert 0.5 < dataset.least_accuracy < 1
    for file in dataset.files.values():
        assert file.size > 0
        if file.sha256:
            assert len(bytes.fromhex(file.sha256)) == 32
        else:
            assert file.published
            assert len(bytes.fromhex(file.published)) in (16, 32)  # MD5 or SHA-256
    if dataset.format is idx.unchanged:
        assert list(dataset.files) == list(idx.NAMES)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_sizes_of_mnist_are_those_of_its_shapes(name: str) -> None:
    sizes = [file.size for file in registry.load(name).files.values()]
    assert sizes == [16 + 60_000 * 28 * 28, 8 + 60_000, 16 + 10_000 * 28 * 28, 8 + 10_000]


def test_the_table_of_the_documentation_is_that_of_the_registry() -> None:
    text = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    rows = [row for row in rows if row[0] != "`download.dataset`"]
    assert sorted(row[0].strip("`") for row in rows) == registry.names()
    for name, _, num_images, num_classes, share, *_ in rows:
        if name.strip("`") != registry.OWN_IMAGES:
            dataset = registry.load(name.strip("`"))
            assert int(num_classes) == len(dataset.classes), name
            assert dataset.num_images is not None, name
            assert num_images == f"{dataset.num_images[0]:,}, {dataset.num_images[1]:,}", name
            assert share == f"{100 * dataset.least_accuracy:.3g} %", name


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"expected a dataset of .*mnist.*, found 'mnits'"):
        registry.load("mnits")


def test_modules_of_the_folder_are_the_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("letters.py", "_helpers.py", "__init__.py", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    assert registry.names() == ["letters"]


Levels = npt.NDArray[np.uint8]
COUNTS = {"train": 120, "t10k": 40}


def rows_of(files: Mapping[str, bytes], name: str) -> Levels:
    """CIFAR-10's binary format: rows of a label and the image's bytes, channel by channel."""
    return np.frombuffer(files[name], dtype=np.uint8).reshape(-1, 1 + 3 * 32 * 32)


def binary_rows(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """A format, as a user adds one."""
    made = {}
    for part, name in (("train", "data_batch.bin"), ("t10k", "test_batch.bin")):
        rows = rows_of(files, name)
        images = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        made[f"{part}-images-idx3-ubyte"] = idx.encode(np.ascontiguousarray(images))
        made[f"{part}-labels-idx1-ubyte"] = idx.encode(rows[:, 0].astype(np.int32))
    return made


@pytest.fixture(scope="module")
def originals() -> dict[str, bytes]:
    """Noise in the colour of the class: red, green or blue."""
    draw = np.random.default_rng(1)
    files = {}
    for name, count in (("data_batch.bin", COUNTS["train"]), ("test_batch.bin", COUNTS["t10k"])):
        labels = np.arange(count, dtype=np.uint8) % 3
        images = draw.integers(0, 100, (count, 3, 32 * 32), dtype=np.uint8)
        images[np.arange(count), labels] += 120
        files[name] = np.concatenate([labels[:, None], images.reshape(count, -1)], axis=1).tobytes()
    return files


def params_of(stage: str, schema: type[StageParams], **changes: Any) -> Any:
    section = read_params_file(ROOT / "params.yaml")[stage]
    return validate_section({stage: section | {k: v for k, v in changes.items() if k in section}}, stage, schema)


@pytest.fixture(scope="module")
def colours(originals: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after download, normalize, both trainings and generate, with the dataset `colours`."""
    source, data = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("colours") / "data"
    for name, content in originals.items():
        (source / name).write_bytes(gzip.compress(content))
    files = {name: File(len(content), sha256(content).hexdigest()) for name, content in originals.items()}
    dataset = Dataset((Folder(source),), ("red", "green", "blue"), files, binary_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GAN_DATA_SOURCE", raising=False)
        patch.setenv("GAN_PROCESSES", "1")
        register(patch, "colours", dataset)
        download.run(params_of("download", download.Params, dataset="colours"), data)
        normalize.run(params_of("normalize", normalize.Params, size=32), data)
        tiny = {"width": 8, "epochs": 2, "batch_size": 20, "lr": 0.01}
        tiny_gan: dict[str, Any] = {
            "width": 8,
            "batch_size": 20,
            "z_dim": 4,
            "device": "cpu",
            "total_kimg": 0.02,
            "snapshot_kimg": 1.0,
        }
        train_classifier.run(params_of("train_classifier", train_classifier.Params, **tiny), data)
        (data / "init" / "none").mkdir(parents=True)
        patch.chdir(data.parent)
        train_gan.run(*gan_params(**tiny_gan), data)
        generate.run(params_of("generate", generate.Params, num_images=20), data)
    return data


def test_normalized_images_are_those_of_the_files(colours: Path, originals: dict[str, bytes]) -> None:
    rows = rows_of(originals, "data_batch.bin")
    train = load_image_set(colours / "normalize" / "train.safetensors")
    assert train.classes == ["red", "green", "blue"]
    assert train.labels.tolist() == rows[:100, 0].tolist()  # the last sixth is for validation
    assert np.array_equal(to_levels(train.images).numpy(), rows[:100, 1:].reshape(-1, 3, 32, 32))


def test_classifier_sees_the_colours(colours: Path) -> None:
    path = colours / "normalize" / "test.safetensors"
    test = load_image_set(path)
    classifier = load_classifier(colours / "train_classifier" / "classifier.safetensors", test, path)
    with torch.no_grad():
        recognised = classifier(test.images).argmax(1)
    assert (recognised == test.labels).float().mean() > 0.9


def test_samples_and_pictures_are_in_colours(colours: Path) -> None:
    samples = load_image_set(colours / "generate" / "samples.safetensors")
    assert samples.images.shape == (20, 3, 32, 32)
    assert samples.classes == ["red", "green", "blue"]
    for path in (*colours.glob("generate/*.png"), *colours.glob("train_gan/samples/*.png")):
        picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert np.ptp(picture, axis=2).max() > 0, path  # grey has the same value thrice


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_any_number_of_channels_is_normalized_and_shown(tmp_path: Path, channels: int) -> None:
    draw = np.random.default_rng(channels)
    folder = tmp_path / "download"
    folder.mkdir()
    levels = draw.integers(0, 256, (12, 28, 28, channels), dtype=np.uint8)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx.encode(levels))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx.encode(np.arange(12, dtype=np.int16) % 2))
    (folder / "dataset.json").write_text('{"name": "x", "classes": ["a", "b"], "least_accuracy": 0.9}')
    normalize.run(params_of("normalize", normalize.Params), tmp_path)
    test = load_image_set(tmp_path / "normalize" / "test.safetensors")
    assert np.array_equal(to_levels(test.images).numpy(), levels.transpose(0, 3, 1, 2))
    assert json.loads((tmp_path / "normalize" / "dataset.json").read_text())["image_shape"] == [channels, 28, 28]
    picture = np.asarray(Image.open(io.BytesIO(grid_png(test.images, columns=4))).convert("RGB"))
    shown = [channels > 1 and c < channels for c in range(3)] if channels > 1 else [True] * 3
    for c in range(3):
        expected = levels[0, :, :, min(c, channels - 1)] if shown[c] else np.zeros((28, 28))
        assert np.array_equal(picture[2:86:3, 2:86:3, c], expected)  # enlarged three times
    assert to_colours(test.images).shape == (12, 3, 28, 28)
