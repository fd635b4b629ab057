"""The IDX reader against torchvision's, and what it says of files that are broken."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from stages.common.errors import UserError
from stages.datasets.formats.idx import decode, encode, read_images, read_labels

IMAGES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 4, 3) + bytes(range(24))
COLOURS = bytes([0, 0, 8, 4]) + struct.pack(">4I", 2, 2, 2, 3) + bytes(range(24))
LABELS = bytes([0, 0, 8, 1]) + struct.pack(">I", 5) + bytes(range(5))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train-file"


def test_images_same_as_torchvision(path: Path) -> None:
    path.write_bytes(IMAGES)
    images = read_images(path)
    assert images.dtype == torch.uint8
    assert torch.equal(images, read_sn3_pascalvincent_tensor(str(path)))


def test_images_in_colours(path: Path) -> None:
    path.write_bytes(COLOURS)  # of four dimensions, which torchvision refuses
    images = read_images(path)
    assert images.shape == (2, 2, 2, 3)
    assert [images[i, h, w, c] for i in (0, 1) for h in (0, 1) for w in (0, 1) for c in range(3)] == list(range(24))


INTEGERS = {"uint8": (8, ">5B"), "int8": (9, ">5b"), "int16": (11, ">5h"), "int32": (12, ">5i")}


@pytest.mark.parametrize(("kind", "layout"), INTEGERS.values(), ids=INTEGERS.keys())
def test_labels_of_each_integer_type(path: Path, kind: int, layout: str) -> None:
    labels = [0, 7, 127, 1, 0]
    path.write_bytes(bytes([0, 0, kind, 1]) + struct.pack(">I", 5) + struct.pack(layout, *labels))
    assert read_labels(path).dtype == torch.int64
    assert read_labels(path).tolist() == labels == read_sn3_pascalvincent_tensor(str(path), strict=False).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
def test_encode_is_the_inverse_of_decode(path: Path, dtype: str) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path.write_bytes(encode(values))
    assert np.array_equal(decode(path.read_bytes()), values)
    assert np.array_equal(read_sn3_pascalvincent_tensor(str(path), strict=False).numpy(), values)


def test_encode_writes_what_the_original_files_hold() -> None:
    assert encode(np.arange(24, dtype=np.uint8).reshape(2, 4, 3)) == IMAGES


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x07\x01", IMAGES[:9], IMAGES[:-1], IMAGES + b"x"])
def test_content_that_is_no_idx(content: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        decode(content)


MAGIC = "expected the magic number 00000803 or 00000804 of images, found"
RESTORE = "`dvc checkout .*train-file`"
OTHER_TYPE = "a data set with values of that type needs a format of its own in stages/datasets/formats"

BROKEN = {
    "labels": (LABELS, f"{MAGIC} 00000801 of labels; {RESTORE}"),
    "compressed": (gzip.compress(IMAGES), f"{MAGIC} a gzip file; {RESTORE}"),
    "empty": (b"", f"{MAGIC} an empty file; {RESTORE}"),
    "two bytes": (b"\x00\x00", f"{MAGIC} 0000; {RESTORE}"),
    "web page": (b"<html>404</html>", f"{MAGIC} 3c68746d; {RESTORE}"),
    "floats": (b"\x00\x00\x0d" + IMAGES[3:], f"{MAGIC} 00000d03; {OTHER_TYPE}"),
    "half a header": (IMAGES[:10], f"expected a header of 16 bytes, found 10 bytes; {RESTORE}"),
    "truncated": (IMAGES[:-1], r"expected 40 bytes for the shape \[2, 4, 3\] of its header, found 39 bytes;"),
    "too long": (IMAGES + b"x", r"expected 40 bytes for the shape \[2, 4, 3\] of its header, found 41 bytes;"),
    "no entry": (IMAGES[:4] + bytes(4) + IMAGES[8:16], r"expected at least one entry, found the shape \[0, 4, 3\];"),
    "huge": (IMAGES[:4] + b"\xff" * 12 + IMAGES[16:], r"expected \d{29} bytes for the shape .*, found 40 bytes;"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_file(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"train-file: {message}"):
        read_images(path)


@pytest.mark.parametrize(
    ("content", "advice"),
    [(IMAGES, RESTORE), (b"\0\0\x0d" + LABELS[3:], OTHER_TYPE)],
    ids=["images", "floats"],
)
def test_file_that_holds_no_labels(path: Path, content: bytes, advice: str) -> None:
    path.write_bytes(content)
    kinds = "00000801 or 00000901 or 00000b01 or 00000c01"
    with pytest.raises(UserError, match=f"train-file: expected the magic number {kinds} of labels, found .*; {advice}"):
        read_labels(path)


def test_size_is_compared_before_the_content_is_read(path: Path) -> None:
    path.write_bytes(IMAGES)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file
    with pytest.raises(UserError, match=f"expected 40 bytes .*, found {1 << 40} bytes"):
        read_images(path)


def test_missing_file(path: Path) -> None:
    with pytest.raises(UserError, match=r"train-file is missing; `dvc checkout .*train-file`"):
        read_images(path)
