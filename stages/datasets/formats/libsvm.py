"""LIBSVM's text form of small images, compressed by bzip2: a line an image, `label 1:value 2:value ...`."""

import bz2
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stages.datasets.formats.idx import NAMES, Format, encode


def libsvm(parts: tuple[str, str], side: int) -> Format:
    """The format of a dataset of grey images with that many pixels a side, in a file to train on and one of tests.

    Its labels count from 1, its values are in [-1, 1] and become the nearest of the 256 grey levels.
    """

    def made(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        arrays = [array for part in parts for array in _images_and_labels(files[part], part, side)]
        return {name: encode(array) for name, array in zip(NAMES, arrays, strict=True)}

    return made


def _images_and_labels(content: bytes, part: str, side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Images uint8 [N, side, side] and labels from 0, uint8 [N]. Raises ValueError if a line is no image."""
    values, labels = [], []
    for number, line in enumerate(bz2.decompress(content).decode("ascii").splitlines(), start=1):
        label, *entries = line.split()
        pairs = [entry.split(":") for entry in entries]
        if [pair[0] for pair in pairs] != [str(index + 1) for index in range(side * side)]:
            raise ValueError(f"{part}: line {number}: expected the values 1 to {side * side}, found {len(pairs)}")
        values.append([float(value) for _, value in pairs])
        labels.append(int(label) - 1)
    levels = np.rint((np.array(values) + 1) * 127.5)
    if not ((levels >= 0) & (levels <= 255)).all() or not all(0 <= label <= 255 for label in labels):
        raise ValueError(f"{part}: expected labels from 1 on and values in [-1, 1], found others")
    return levels.astype(np.uint8).reshape(-1, side, side), np.array(labels, dtype=np.uint8)
