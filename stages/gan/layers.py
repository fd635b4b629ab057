"""What networks share."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot


def unit_mean_square(x: Tensor) -> Tensor:
    """Each row of [B, N] divided by its root mean square (PixelNorm of Karras et al. 2018, "Progressive growing")."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()  # [B, N]


def latent_and_class(z: Tensor, y: Tensor, embedding: nn.Embedding | None) -> Tensor:
    """What G begins with: z [B, z_dim], and beside it the embedding of y, if there is one; each of unit mean square."""
    x = unit_mean_square(z)
    return x if embedding is None else torch.cat([x, unit_mean_square(embedding(y))], dim=1)  # [B, N]


def projection(x: Tensor, y: Tensor, head: nn.Linear, embedding: nn.Embedding | None) -> Tensor:
    """Logits from D's features x [B, N], class-conditional by projection (Miyato and Koyama 2018).

    logit = psi(x) + <e_y, x>, equation 3 of the paper, the second term scaled to the size of the first; without an
    embedding, the first term alone.
    """
    logits = head(x).squeeze(1)
    return logits if embedding is None else logits + (embedding(y) * x).sum(1) / math.sqrt(x.shape[1])  # [B]


class ReachingTanh(nn.Module):
    """sqrt(2) tanh(x), cut off at -1 and 1: images [B, C, H, W] whose pixels can be wholly black or white.

    Four fifths of a digit's pixels are exactly black, which tanh itself approaches but never reaches; a cut without
    tanh, on the other hand, leaves too few of the faint greys at the edge of a stroke. At the cut the slope is half of
    that at 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, to values in [-1, 1]."""
        return (math.sqrt(2) * x.tanh()).clamp(-1, 1)


class ClassBeside(nn.Module):
    """Vectors with one for their class beside them; without classes, the vectors alone.

    kind: `one_hot`, or `embedding` for vectors of the same length that are learned.
    """

    def __init__(self, num_classes: int, kind: str) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embedding = nn.Embedding(num_classes, num_classes) if num_classes and kind == "embedding" else None

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x float32 [B, N]; y int64 [B], unread without classes."""
        if not self.num_classes:
            return x
        classes = one_hot(y, self.num_classes).to(x.dtype) if self.embedding is None else self.embedding(y)
        return torch.cat([x, classes], dim=1)  # [B, N + num_classes]
