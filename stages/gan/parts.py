"""A batch in fixed parts, and sums over them whose order never changes.

Floats do not add associatively: (a+b)+(c+d) is not ((a+b)+c)+d. The parts of a batch are therefore summed by one
fixed binary tree, whatever computes them and in whatever order they come.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PartResult:
    """What one part of a batch gives, or the mean over all parts.

    gradients: of each parameter of the network; statistics: its float buffers after the part; figures: float32 [F].
    """

    gradients: Sequence[Tensor]
    statistics: Sequence[Tensor]
    figures: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        """All of them in one order."""
        return [*self.gradients, *self.statistics, self.figures]

    def with_tensors(self, tensors: Sequence[Tensor]) -> "PartResult":
        """Other tensors in the same order."""
        first = len(self.gradients)
        return PartResult(tensors[:first], tensors[first:-1], tensors[-1])


def left_parts(n: int) -> int:
    """How many of n parts go to the left subtree."""
    return (n + 1) // 2


def tree_sum(vectors: Sequence[Tensor]) -> Tensor:
    """Sum tensors of one shape by the binary tree that halves: (v0 + v1) + (v2 + v3) for four."""
    if len(vectors) == 1:
        return vectors[0]
    middle = left_parts(len(vectors))
    return tree_sum(vectors[:middle]) + tree_sum(vectors[middle:])


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """All entries as one float32 vector."""
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])


def unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Views of a vector with the shapes of `like`: the inverse of flatten."""
    pieces = vector.split([tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]
