"""Exact squared distances between features, a tile of the matrix at a time, by all cores.

|a|^2 + |b|^2 - 2 a.b is fast, but in floats it puts identical samples at small distances that depend on the tile
and on the processor, and ties fall by chance. So the features are first rounded to integers so small that each
product and sum here is an integer below 2^53, which float64 holds exactly in any order: tiles, cores and their number
change no bit.
"""

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from stages.common.blocks import in_order
from stages.common.cores import available_cores

T = TypeVar("T")
TILE = 1000
"""Rows and columns of a distance matrix held at once by each core: 8 MB in float64, which processors cache."""


def to_grid(*sets: Tensor) -> list[Tensor]:
    """Features [*, F] on one common grid: float64 that hold integers of at most 2^b, for `differences`.

    b is the most with 4 F 2^(2b) <= 2^53, the bound of |a|^2 + |b|^2 + 2 |a.b|: 22 bits for 128 features.
    """
    step = grid_step(*sets)
    return [(features.double() / step).round() for features in sets]


def grid_step(*sets: Tensor) -> float:
    """The step of that grid, a power of two, at most 2^(1-b) of the largest feature: near the precision of float32."""
    largest = max(features.abs().max().item() for features in sets)
    bits = (51 - math.ceil(math.log2(sets[0].shape[1]))) // 2
    exponent = math.frexp(largest)[1]  # largest < 2^exponent
    return 2.0 ** (exponent - bits)


def differences(part: Tensor, others: Tensor, norms: Tensor, columns: slice) -> Tensor:
    """|part_i - others_j|^2 - |part_i|^2 for the columns j, exact; norms: |others|^2. All from to_grid."""
    return torch.addmm(norms[columns], part, others[columns].T, alpha=-2)


def tiles(n: int, size: int) -> list[slice]:
    """The slices of n rows or columns."""
    return [slice(start, start + size) for start in range(0, n, size)]


def by_parts(function: Callable[[slice], T], n: int, size: int, description: str) -> Iterator[T]:
    """function(rows) for each slice of n rows, in order, by all cores; description: for the progress."""
    starts = range(0, n, size)
    return in_order(lambda start: function(slice(start, start + size)), starts, available_cores(), description)


def squared_radii(features: Tensor, k: int, size: int = TILE) -> Tensor:
    """The squared distance of each row of features [N, F] from to_grid to its k-th nearest other row, [N]."""
    norms = features.square().sum(dim=1)

    def radii(rows: slice) -> Tensor:
        part, nearest = features[rows], torch.empty(len(features[rows]), 0, dtype=features.dtype)
        for columns in tiles(len(features), size):
            nearest = torch.cat([nearest, least(differences(part, features, norms, columns), k + 1)], dim=1)
            nearest = least(nearest, k + 1)
        # A row's distance to itself is the least, 0: it takes the first of k + 1 places.
        return nearest.amax(dim=1) + norms[rows]

    return torch.cat(list(by_parts(radii, len(features), size, "distances to neighbours")))


def least(values: Tensor, count: int) -> Tensor:
    """The `count` least of each row of values [N, M], in no order: [N, min(count, M)].

    They lie in the `count` groups of columns with the least minima, and minima are computed much faster than sorted.
    """
    rows, columns = values.shape
    if count >= columns:
        return values
    width = math.isqrt(columns // count)
    grouped = columns - columns % width
    groups = values[:, :grouped].unflatten(1, (width, -1))  # [N, width, groups]
    if width > 1 and groups.shape[2] > count:
        chosen = groups.amin(dim=1).topk(count, dim=1, largest=False, sorted=False).indices
        inside = groups.gather(2, chosen[:, None].expand(rows, width, count)).flatten(1)
        values = torch.cat([inside, values[:, grouped:]], dim=1)
    return values.topk(count, dim=1, largest=False, sorted=False).values
