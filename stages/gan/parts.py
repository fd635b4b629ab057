"""A batch in fixed parts, and sums over them whose order never changes.

Floats do not add associatively: (a+b)+(c+d) is not ((a+b)+c)+d. The parts of a batch are therefore summed by one
fixed binary tree, whatever computes them and in whatever order they come.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def tree_middle(n: int) -> int:
    """Where the tree divides n neighbours: so many go left."""
    return (n + 1) // 2


def tree_sum(vectors: Sequence[Tensor]) -> Tensor:
    """Sum tensors of one shape by the binary tree that halves: (v0 + v1) + (v2 + v3) for four."""
    if len(vectors) == 1:
        return vectors[0]
    middle = tree_middle(len(vectors))
    return tree_sum(vectors[:middle]) + tree_sum(vectors[middle:])


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """All entries as one float32 vector."""
    return torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])


def unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Cut a vector into tensors of the shapes, layouts and types of `like`; the inverse of flatten."""
    pieces = vector.split([tensor.numel() for tensor in like])
    return [
        torch.empty_like(tensor).copy_(piece.view(tensor.shape)) for piece, tensor in zip(pieces, like, strict=True)
    ]
