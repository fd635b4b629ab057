"""EMNIST's archive: gzipped IDX files of all its splits, whose images lie on their side."""

import gzip
import io
import zipfile
from collections.abc import Mapping

import numpy as np

from stages.datasets.formats.idx import NAMES, Format, decode, encode

ARCHIVE = "gzip.zip"
"""The one file of the dataset; it holds that folder."""
PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "test-images-idx3-ubyte", "test-labels-idx1-ubyte")
"""What the archive has of each split, in the order of NAMES."""


def emnist(split: str, first_label: int) -> Format:
    """The format of one split, in whose files labels count from first_label."""

    def made(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(files[ARCHIVE])) as archive:
            parts = [gzip.decompress(archive.read(f"gzip/emnist-{split}-{part}.gz")) for part in PARTS]
        return {name: _upright(part, first_label) for name, part in zip(NAMES, parts, strict=True)}

    return made


def _upright(part: bytes, first_label: int) -> bytes:
    """An IDX file whose images [N, H, W] are transposed, or whose labels [N] count from 0."""
    values = decode(part)
    if values.ndim == 3:
        return encode(np.ascontiguousarray(values.transpose(0, 2, 1)))
    labels = values.astype(np.int64) - first_label
    if labels.min() < 0:
        raise ValueError(f"expected labels from {first_label} on, found {labels.min() + first_label}")
    return encode(labels.astype(np.uint8))
