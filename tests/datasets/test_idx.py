"""The IDX reader against torchvision's, and what it says of files that are broken."""

import gzip
import struct
from pathlib import Path

import pytest
import torch
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from stages.common.errors import UserError
from stages.datasets.formats.idx import read_idx

IMAGES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 4, 3) + bytes(range(24))
LABELS = bytes([0, 0, 8, 1]) + struct.pack(">I", 5) + bytes(range(5))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train-file"


@pytest.mark.parametrize(("content", "dimensions"), [(IMAGES, 3), (LABELS, 1)])
def test_same_as_torchvision(path: Path, content: bytes, dimensions: int) -> None:
    path.write_bytes(content)
    found = read_idx(path, dimensions)
    assert found.dtype == torch.uint8
    assert torch.equal(found, read_sn3_pascalvincent_tensor(str(path)))


IMAGES_WANTED = "expected the magic number 00000803 of images, found"


BROKEN = {
    "labels": (LABELS, f"{IMAGES_WANTED} 00000801 of labels;"),
    "compressed": (gzip.compress(IMAGES), f"{IMAGES_WANTED} a gzip file;"),
    "empty": (b"", f"{IMAGES_WANTED} an empty file;"),
    "two bytes": (b"\x00\x00", f"{IMAGES_WANTED} 0000;"),
    "web page": (b"<html>404</html>", f"{IMAGES_WANTED} 3c68746d;"),
    "floats": (b"\x00\x00\x0d" + IMAGES[3:], f"{IMAGES_WANTED} 00000d03;"),
    "half a header": (IMAGES[:10], "expected a header of 16 bytes, found 10 bytes;"),
    "truncated": (IMAGES[:-1], r"expected 40 bytes for the shape \[2, 4, 3\] of its header, found 39 bytes;"),
    "too long": (IMAGES + b"x", r"expected 40 bytes for the shape \[2, 4, 3\] of its header, found 41 bytes;"),
    "no entry": (IMAGES[:4] + bytes(4) + IMAGES[8:16], r"expected at least one entry, found the shape \[0, 4, 3\];"),
    "huge": (IMAGES[:4] + b"\xff" * 12 + IMAGES[16:], r"expected \d{29} bytes for the shape .*, found 40 bytes;"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_file(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"train-file: {message}.*`dvc checkout .*train-file`"):
        read_idx(path, 3)


def test_missing_file(path: Path) -> None:
    with pytest.raises(UserError, match=r"train-file is missing; `dvc checkout .*train-file`"):
        read_idx(path, 3)
