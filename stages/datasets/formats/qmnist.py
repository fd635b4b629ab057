"""QMNIST's files: MNIST's images, and labels int32 [N, 8]: first the class, then who wrote it, where and when."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stages.datasets.formats.idx import NAMES, decode, encode

PARTS = (
    "qmnist-train-images-idx3-ubyte",
    "qmnist-train-labels-idx2-int",
    "qmnist-test-images-idx3-ubyte",
    "qmnist-test-labels-idx2-int",
)
"""The files of QMNIST, in the order of NAMES."""
COLUMNS = 8


def qmnist(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The four IDX files, from the content of PARTS. Raises ValueError if one holds anything else."""
    contents = [files[part] for part in PARTS]
    contents[1::2] = [encode(_classes(decode(content))) for content in contents[1::2]]
    return dict(zip(NAMES, contents, strict=True))


def _classes(labels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """The first column of labels [N, 8]."""
    if labels.ndim != 2 or labels.shape[1] != COLUMNS or labels.dtype.kind != "i":
        raise ValueError(f"expected labels int32 [N, {COLUMNS}], found {labels.dtype.name} {list(labels.shape)}")
    return labels[:, 0].astype(np.uint8)
