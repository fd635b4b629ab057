"""Samples in several files: the bytes that safetensors itself writes, rows across files, damaged files by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stages.common import shards
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import NO_LABEL, load_image_set, save_image_set, to_float
from stages.common.shards import Index, SampleFiles, load_first, path_of, sample_files

CLASSES = ["zero", "ひ", 'two "2"']


def samples(count: int, channels: int = 1) -> tuple[Tensor, Tensor]:
    """Images and labels that all differ."""
    levels = torch.arange(count * channels * 64) * 7 % 251
    return levels.to(torch.uint8).view(count, channels, 8, 8), torch.arange(count) % len(CLASSES)


@pytest.mark.parametrize("count", [1, 3, 250])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("remarks", [[], ["collapse at 64 kimg \x7f: ひ"]])
def test_a_file_has_the_bytes_that_safetensors_writes(
    count: int, channels: int, remarks: list[str], tmp_path: Path
) -> None:
    images, labels = samples(count, channels)
    save_image_set(tmp_path / "expected", images, labels, CLASSES, remarks=remarks)
    chunks = (chunk.numpy().tobytes() for chunk in images.split(100))
    shards.write_file(tmp_path / "written", chunks, labels, [channels, 8, 8], CLASSES, remarks)
    assert (tmp_path / "written").read_bytes() == (tmp_path / "expected").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty-five samples in files of ten."""
    monkeypatch.setattr(shards, "IMAGES_PER_FILE", 10)
    images, labels = samples(25)
    index = shards.index_of(25)
    for number, numbers in enumerate(index.files):
        rows = slice(numbers.start, numbers.stop)
        save_image_set(path_of(tmp_path, number), images[rows], labels[rows], CLASSES)
    shards.write_index(tmp_path, index)
    return tmp_path


def opened(folder: Path) -> SampleFiles:
    files = sample_files(folder)
    assert files
    return files


@pytest.mark.parametrize(("first", "count"), [(0, 25), (0, 1), (9, 2), (3, 20), (20, 5)])
def test_any_rows_are_read_across_files(first: int, count: int, folder: Path) -> None:
    images, labels = samples(25)
    read = opened(folder).read(first, count)
    assert torch.equal(read[0], images[first : first + count])
    assert torch.equal(read[1], labels[first : first + count])


@pytest.mark.parametrize(
    "index", [Index(num_images=10**30, images_per_file=10), Index(num_images=25, images_per_file=1)]
)
def test_an_index_that_no_run_can_have_written_is_one_line(index: Index, folder: Path) -> None:
    shards.write_index(folder, index)
    with pytest.raises(UserError, match=r"index\.json: expected at most 1,000,000,000,000 images, 10 a file; "):
        sample_files(folder)


def test_where_one_file_holds_all_there_are_no_further_ones(folder: Path) -> None:
    shards.write_index(folder, shards.index_of(10))
    assert sample_files(folder) is None
    assert sample_files(folder / "nothing") is None
    shards.clear(folder)
    assert [path.name for path in folder.rglob("*")] == ["samples.safetensors", "shards"]


def other_classes(path: Path) -> None:
    tensors, _ = read_tensors(path)
    write_tensors(path, tensors, {"classes": ["zero", "one"]})


def fewer(path: Path) -> None:
    images, labels = samples(4)
    save_image_set(path, images, labels, CLASSES)


def other_shape(path: Path) -> None:
    images, labels = samples(10, channels=2)
    save_image_set(path, images, labels, CLASSES)


def floats(path: Path) -> None:
    images, labels = samples(10)
    save_image_set(path, to_float(images), labels, CLASSES)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "is missing"),
        (other_classes, r"expected classes \['zero', 'ひ', .*\], found \['zero', 'one'\]"),
        (fewer, "expected samples 10, found 4"),
        (other_shape, r"expected image shape \[1, 8, 8\], found \[2, 8, 8\]"),
        (floats, r"no file of samples \(images uint8 \[N, C, H, W\] and labels int64 \[N\] are not in "),
        (cut_off, r"no file of samples \(.* bytes where its header promises "),
    ],
)
def test_a_file_that_does_not_belong_is_refused_by_name(
    damage: Callable[[Path], None], message: str, folder: Path
) -> None:
    first = load_image_set(path_of(folder, 0))
    opened(folder).require_alike(first)
    damage(path_of(folder, 1))
    with pytest.raises(UserError, match=message) as caught:
        opened(folder).require_alike(first)
    assert str(caught.value).startswith(str(path_of(folder, 1)))
    assert "\n" not in str(caught.value)


def test_labels_that_are_no_classes_are_refused_when_they_are_read(folder: Path) -> None:
    images, labels = samples(10)
    save_image_set(path_of(folder, 1), images, labels.fill_(NO_LABEL), CLASSES)
    assert opened(folder).read(10, 10)[1].tolist() == [NO_LABEL] * 10
    labels[3] = 3
    save_image_set(path_of(folder, 1), images, labels, CLASSES)
    with pytest.raises(UserError, match=r"samples_00001.safetensors: expected labels 0 to 2, or all -1, found -1 to 3"):
        opened(folder).read(9, 5)


def test_of_a_large_file_the_first_samples_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "READ_WHOLE", 6)
    images, labels = samples(20)
    save_image_set(tmp_path / "samples", images, labels, CLASSES, remarks=["as it is"])
    for most, expected in ((None, 20), (20, 20), (7, 7), (2, 6)):
        first = load_first(tmp_path / "samples", most)
        assert torch.equal(first.images, to_float(images[:expected]))
        assert torch.equal(first.labels, labels[:expected])
        assert (first.classes, first.remarks) == (CLASSES, ("as it is",))
