"""Mean and covariance of features that never are in memory together: of blocks, merged two by two.

The tree of merges depends on the number of blocks alone, so that the result has the same bits whoever computed the
blocks, and its rounding grows with the logarithm of their number.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Of `count` rows of features: mean float64 [F], and scatter float64 [F, F], the sum of (x - mean)(x - mean)^T."""

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Moments":
        """Of features [N, F], N at least 1."""
        rows = features.double()
        mean = rows.mean(dim=0)
        offsets = rows - mean
        return cls(len(rows), mean, offsets.T @ offsets)

    def merged(self, other: "Moments") -> "Moments":
        """Of the rows of both: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance"."""
        count = self.count + other.count
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        between = torch.outer(shift, shift) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> Tensor:
        """Unbiased, float64 [F, F]; of at least two rows."""
        return self.scatter / (self.count - 1)


def merged_in_order(blocks: Iterable[Moments]) -> Moments:
    """All blocks, in their order, merged as a binary tree; at least one. Holds one for each level of the tree.

    Blocks 0 and 1, 2 and 3, ... are merged, then those of two, of four; what is left over at the end is merged from
    the last to the first.
    """
    levels: dict[int, Moments] = {}
    for block in blocks:
        level = 0
        while level in levels:
            block = levels.pop(level).merged(block)  # noqa: PLW2901 (carried, as a 1 in binary addition)
            level += 1
        levels[level] = block
    smallest, *larger = (levels[level] for level in sorted(levels))
    for earlier in larger:
        smallest = earlier.merged(smallest)
    return smallest
