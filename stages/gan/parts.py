"""A batch in fixed parts, and sums over them whose order never changes.

Floats do not add associatively: (a+b)+(c+d) is not ((a+b)+c)+d. The parts of a batch are therefore summed by one
fixed binary tree, whatever computes them and in whatever order they come.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def tree_sum(vectors: Sequence[Tensor]) -> Tensor:
    """Sum tensors of one shape by the binary tree that halves: (v0 + v1) + (v2 + v3) for four."""
    if len(vectors) == 1:
        return vectors[0]
    middle = (len(vectors) + 1) // 2
    return tree_sum(vectors[:middle]) + tree_sum(vectors[middle:])


def tree_mean(vectors: Sequence[Tensor]) -> Tensor:
    """The mean of tensors of one shape, summed by tree_sum."""
    return tree_sum(vectors) / len(vectors)


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """All entries as one float32 vector."""
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])


def unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a vector into tensors of the shapes, layouts and types of `like`; the inverse of flatten."""
    pieces = vector.split([tensor.numel() for tensor in like])
    return [
        torch.empty_like(tensor).copy_(piece.view(tensor.shape)) for piece, tensor in zip(pieces, like, strict=True)
    ]
