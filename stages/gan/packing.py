"""Packs: D judges several images at once, as the channels of one input (Lin et al. 2018, "PacGAN", section 2).

A generator that lacks variety betrays itself sooner: two of its images are more alike than two real ones. All images of
a pack are drawn from the same distribution, real or generated. Where the GAN is conditional, that is the distribution
of one class, so that D's label is that of every image in the pack; the paper has unconditional GANs alone.
"""

from functools import lru_cache

import torch
from torch import Tensor

from stages.common import draws
from stages.gan.settings import Settings


def pack(images: Tensor, packing: int) -> Tensor:
    """Images [P * packing, C, H, W] as packs [P, packing * C, H, W] of neighbours; `packing` 1 leaves them alone."""
    if packing == 1:
        return images
    return images.reshape(-1, packing * images.shape[1], *images.shape[2:])  # [P, packing * C, H, W]


class PackOrder:
    """Which rows of the digits make up each batch, pack after pack; all rows of a pack are of one class.

    Each epoch puts every digit into a pack, anew: a permutation of each class is cut into packs, the last of which
    begins again with the first digits of the permutation if there are too few. As draws.BatchOrder, of packs.
    """

    def __init__(self, seed: int, purpose: str, labels: Tensor, batch_size: int, packing: int) -> None:
        self._seed, self._purpose, self._packing = seed, purpose, packing
        self._rows_by_class = [torch.nonzero(labels == label).squeeze(1) for label in labels.unique()]
        num_packs = sum(-(-len(rows) // packing) for rows in self._rows_by_class)
        self._packs = draws.BatchOrder(seed, purpose, num_packs, batch_size // packing)
        self._packs_of = lru_cache(maxsize=2)(self._drawn_packs)

    def rows(self, batch: int) -> Tensor:
        """Row numbers of that batch (0 is the first), int64 [batch_size]; rows of a pack are neighbours."""
        numbers, first = self._packs.rows(batch), batch * self._packs.batch_size
        epochs = torch.arange(first, first + len(numbers)) // self._packs.n
        return torch.cat([self._packs_of(int(epoch))[numbers[epochs == epoch]].flatten() for epoch in epochs.unique()])

    def epochs_done(self, batches: int) -> int:
        """How many epochs are complete after that number of batches."""
        return self._packs.epochs_done(batches)

    def _drawn_packs(self, epoch: int) -> Tensor:
        """The packs of an epoch, class after class: row numbers, int64 [num_packs, packing]."""
        packs = []
        for index, rows in enumerate(self._rows_by_class):
            shuffled = rows[draws.permutation(self._seed, f"{self._purpose}.class_{index}", epoch, len(rows))]
            filled = torch.arange(-(-len(rows) // self._packing) * self._packing) % len(rows)
            packs.append(shuffled[filled].view(-1, self._packing))
        return torch.cat(packs)


def batch_order(settings: Settings, labels: Tensor) -> "draws.BatchOrder | PackOrder":
    """The order in which a training sees the digits with these labels, int64 [N]."""
    purpose = "train_gan.order"
    if settings.packing == 1:
        return draws.BatchOrder(settings.seed, purpose, len(labels), settings.batch_size)
    classes = labels.cpu() if settings.conditional else torch.zeros(len(labels), dtype=torch.int64)
    return PackOrder(settings.seed, purpose, classes, settings.batch_size, settings.packing)
