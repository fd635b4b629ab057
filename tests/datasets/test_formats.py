"""The published datasets, by files of the same names and forms on a server of this machine: what download writes.

The real archives are large, and their servers may be out of reach: sizes and checksums are those of the small files.
"""

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import md5, sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from torchvision import datasets as torchvision_datasets

from stages import download
from stages.common.errors import UserError
from stages.datasets import registry
from stages.datasets.formats import idx
from stages.datasets.formats.libsvm import libsvm
from stages.datasets.sources.base import File, FileError
from stages.datasets.sources.mirror import Mirror
from tests.datasets.entries import register
from tests.web_server import WebServer

Levels = npt.NDArray[np.uint8]
COUNTS = {"train": 14, "t10k": 6}
EMNIST = {"balanced": 47, "letters": 26, "digits": 10, "mnist": 10, "byclass": 62, "bymerge": 47}


@dataclass(frozen=True)
class Images:
    """What a dataset shows, upright, with labels from 0: two arrays for training and two of tests."""

    arrays: tuple[Levels, ...]

    @staticmethod
    def drawn(side: int, num_classes: int) -> "Images":
        draw = np.random.default_rng(side)
        arrays: list[Levels] = []
        for count in COUNTS.values():
            arrays += [
                draw.integers(0, 256, (count, side, side), dtype=np.uint8),
                # The first and the last class are there.
                np.linspace(0, num_classes - 1, count).round().astype(np.uint8),
            ]
        return Images(tuple(arrays))


def packed(content: bytes, published: bool, pack: Callable[[bytes], bytes] = gzip.compress) -> tuple[bytes, File]:
    """The content as a publisher packs it, and its entry: by the MD5 of the packed file, or its own SHA-256."""
    made = pack(content)
    size = len(content) if pack is gzip.compress else len(made)
    if published:
        return made, File(size, published=md5(made).hexdigest())
    return made, File(size, sha256(content if pack is gzip.compress else made).hexdigest())


def idx_files(images: Images, names: Iterable[str]) -> dict[str, bytes]:
    return {name: idx.encode(array) for name, array in zip(names, images.arrays, strict=True)}


def served(web_server: WebServer, patch: pytest.MonkeyPatch, name: str, files: dict[str, tuple[bytes, File]]) -> None:
    """Let the dataset have these files, each as the server gives it; names without .gz are those of the entry."""
    dataset = registry.load(name)
    assert list(files) == list(dataset.files), "the names of the published files"
    packs = {key: key if key.endswith((".zip", ".bz2")) else f"{key}.gz" for key in files}
    web_server.answers = {packs[key]: [content] for key, (content, _) in files.items()}
    entries = {key: file for key, (_, file) in files.items()}
    register(patch, name, replace(dataset, sources=(Mirror(web_server.url),), files=entries))


def read_back(name: str, data: Path) -> tuple[Levels, ...]:
    """The four arrays that download writes."""
    download.run(download.Params(dataset=name, folder="none"), data)
    folder = data / "download"
    assert json.loads((folder / "dataset.json").read_text())["classes"] == list(registry.load(name).classes)
    return tuple(np.asarray(idx.decode((folder / file).read_bytes()), dtype=np.uint8) for file in idx.NAMES)


def assert_shown(name: str, data: Path, images: Images) -> None:
    for actual, expected in zip(read_back(name, data), images.arrays, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert max(images.arrays[1]) == len(registry.load(name).classes) - 1


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_idx_files(name: str, web_server: WebServer, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    images = Images.drawn(28, 10)
    files = {
        key: packed(content, published=name == "kmnist")
        for key, content in idx_files(images, registry.load(name).files).items()
    }
    served(web_server, monkeypatch, name, files)
    assert_shown(name, data, images)


@pytest.mark.parametrize(("split", "num_classes"), EMNIST.items())
def test_emnist(
    split: str, num_classes: int, web_server: WebServer, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    """In the archive, whose files are named as torchvision has them, images are transposed and letters begin at 1."""
    images = Images.drawn(28, num_classes)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for part, (levels, labels) in zip(("train", "test"), (images.arrays[:2], images.arrays[2:]), strict=True):
            first = 1 if split == "letters" else 0
            transposed = np.ascontiguousarray(levels.transpose(0, 2, 1))
            for kind, array in (("images-idx3", transposed), ("labels-idx1", labels + np.uint8(first))):
                archive.writestr(f"gzip/emnist-{split}-{part}-{kind}-ubyte.gz", gzip.compress(idx.encode(array)))
    served(
        web_server,
        monkeypatch,
        f"emnist_{split}",
        {"gzip.zip": packed(content.getvalue(), False, pack=lambda made: made)},
    )
    assert_shown(f"emnist_{split}", data, images)


@pytest.mark.parametrize("split", EMNIST)
def test_class_names_of_emnist_are_those_of_torchvision(split: str) -> None:
    names = [name for name in torchvision_datasets.EMNIST.classes_split_dict[split] if name != "N/A"]
    expected = [name.upper() for name in names] if split == "letters" else names
    assert list(registry.load(f"emnist_{split}").classes) == expected


def test_the_checksum_of_emnist_is_of_one_archive() -> None:
    files = [registry.load(f"emnist_{split}").files for split in EMNIST]
    assert all(entry == files[0] for entry in files)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("qmnist", {md5 for part in ("train", "test") for _, md5 in torchvision_datasets.QMNIST.resources[part]}),
        ("usps", {entry[2] for entry in torchvision_datasets.USPS.split_list.values()}),
    ],
)
def test_md5_are_those_of_torchvision(name: str, published: set[str]) -> None:
    assert {file.published for file in registry.load(name).files.values()} == published


def test_qmnist(web_server: WebServer, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    images = Images.drawn(28, 10)
    files = idx_files(images, registry.load("qmnist").files)
    for name, labels in zip(list(files)[1::2], images.arrays[1::2], strict=True):
        others = np.arange(len(labels) * 8, dtype=np.int32).reshape(-1, 8) + 1000
        others[:, 0] = labels
        files[name] = idx.encode(others)
    served(web_server, monkeypatch, "qmnist", {key: packed(content, True) for key, content in files.items()})
    assert_shown("qmnist", data, images)


def usps_lines(levels: Levels, labels: Levels) -> bytes:
    """As the file has them: values in [-1, 1] with six digits, labels from 1."""
    lines = []
    for image, label in zip(levels.reshape(len(levels), -1) / 127.5 - 1, labels, strict=True):
        lines.append(" ".join([str(label + 1), *(f"{place}:{value:.6g}" for place, value in enumerate(image, 1))]))
    return "".join(f"{line} \n" for line in lines).encode()


def test_usps(web_server: WebServer, monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    images = Images.drawn(16, 10)
    parts = [usps_lines(*images.arrays[:2]), usps_lines(*images.arrays[2:])]
    files = {
        name: packed(part, True, pack=bz2.compress)
        for name, part in zip(("usps.bz2", "usps.t.bz2"), parts, strict=True)
    }
    served(web_server, monkeypatch, "usps", files)
    assert_shown("usps", data, images)


BAD_LINES = {
    "a value is missing": (b"1 1:0 2:0 4:0", r"^a: line 1: expected the values 1 to 4, found 3"),
    "value beyond 1": (b"1 1:0 2:0 3:0 4:1.5", r"^a: expected labels from 1 on and values in \[-1, 1\]"),
    "label 0": (b"0 1:0 2:0 3:0 4:1", r"^a: expected labels from 1 on and values in \[-1, 1\]"),
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_lines_that_are_no_images(line: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        libsvm(("a", "b"), side=2)({"a": bz2.compress(line), "b": bz2.compress(line)})


def test_a_published_checksum_holds_for_the_packed_file_alone() -> None:
    content, file = packed(b"digits", True)
    assert file.verified(content) == b"digits"
    assert file.verified(gzip.compress(content)) == b"digits"  # a server that compresses what is compressed
    with pytest.raises(FileError, match=r"^expected MD5 .{32} of the file as published, found .{32} in 6 bytes$"):
        file.verified(b"digits")


def test_message_of_a_dataset_that_is_verified_as_published(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    register(monkeypatch, "kmnist", replace(registry.load("kmnist"), sources=(Mirror(web_server.url),)))
    with pytest.raises(UserError, match=r"what to do: put train-images.* \(compressed, as published\) in a folder"):
        download.run(download.Params(dataset="kmnist", folder="none"), data)
