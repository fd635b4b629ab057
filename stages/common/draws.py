"""Random draws as pure functions of (seed, purpose, index): no generator state is kept anywhere.

Philox is counter-based (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): its key comes from
the seed and the purpose, its counter from the index, so that any draw can be made alone, in any order, by any
process. The index fills a high word of the counter: each index has 2**128 blocks of its own.
Draws are made on the CPU by numpy and are the same on every device.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

INDEX_WORD = 2
"""The word of Philox's counter that holds the index."""


@lru_cache(maxsize=256)
def _key(seed: int, purpose: str) -> tuple[int, int]:
    words = np.frombuffer(hashlib.sha256(purpose.encode()).digest(), dtype="<u4")
    first, second = np.random.SeedSequence([seed, *words.tolist()]).generate_state(2, np.uint64)
    return int(first), int(second)


def generator(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A fresh numpy generator for one draw; two calls with the same arguments draw the same."""
    key, counter = np.array(_key(seed, purpose), dtype=np.uint64), np.zeros(4, dtype=np.uint64)
    counter[INDEX_WORD] = index
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def normal(seed: int, purpose: str, index: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers, float32 [*shape]; a longer draw begins with the shorter one."""
    return torch.from_numpy(generator(seed, purpose, index).standard_normal(shape)).float()


def uniform(seed: int, purpose: str, index: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform numbers in [0, 1), float32 [*shape]."""
    return torch.from_numpy(generator(seed, purpose, index).random(shape, dtype=np.float32))


def integers(seed: int, purpose: str, index: int, high: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform integers in [0, high), int64 [*shape]."""
    return torch.from_numpy(generator(seed, purpose, index).integers(high, size=shape))


def permutation(seed: int, purpose: str, index: int, n: int) -> Tensor:
    """A permutation of 0..n-1, int64 [n]."""
    return torch.from_numpy(generator(seed, purpose, index).permutation(n))


def normal_rows(seed: int, purpose: str, indices: Sequence[int], width: int) -> Tensor:
    """One standard normal row for each index, float32 [len(indices), width]: `normal` of that index.

    One generator, whose counter is set anew for each row: ten times as fast as a generator for each.
    """
    numbers = generator(seed, purpose)
    fresh = numbers.bit_generator.state  # a copy, in which no number has been drawn
    rows = np.empty((len(indices), width))
    for row, index in zip(rows, indices, strict=True):
        fresh["state"]["counter"][INDEX_WORD] = index
        numbers.bit_generator.state = fresh
        numbers.standard_normal(out=row)
    return torch.from_numpy(rows).float()


class BatchOrder:
    """Which rows of n digits make up each batch: a new permutation every epoch, every batch full.

    Batches walk the permutations end to end, across the ends of epochs, so no digit is dropped. The order is a
    function of (seed, purpose, epoch); the object only caches the latest permutations.
    """

    def __init__(self, seed: int, purpose: str, n: int, batch_size: int) -> None:
        self.n, self.batch_size = n, batch_size
        self._permutation = lru_cache(maxsize=2)(lambda epoch: permutation(seed, purpose, epoch, n))

    def rows(self, batch: int) -> Tensor:
        """Row numbers of that batch (0 is the first), int64 [batch_size]."""
        position, end = batch * self.batch_size, (batch + 1) * self.batch_size
        pieces: list[Tensor] = []
        while position < end:
            epoch, offset = divmod(position, self.n)
            pieces.append(self._permutation(epoch)[offset : offset + end - position])
            position += len(pieces[-1])
        return torch.cat(pieces)

    def epochs_done(self, batches: int) -> int:
        """How many epochs are complete after that number of batches."""
        return batches * self.batch_size // self.n
