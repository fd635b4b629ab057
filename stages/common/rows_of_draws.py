"""The rows of draws.normal_rows, ten times as fast: one generator, whose counter is set anew for each row."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stages.common import draws

INDEX_WORD = 2
"""The word of Philox's counter that holds the index; see draws.generator."""


def normal_rows(seed: int, purpose: str, indices: Sequence[int], width: int) -> Tensor:
    """One standard normal row for each index, float32 [len(indices), width]: the bits of draws.normal_rows."""
    generator = draws.generator(seed, purpose)
    bits = generator.bit_generator
    fresh = bits.state  # a copy, in which no number has been drawn
    rows = np.empty((len(indices), width))
    for row, index in zip(rows, indices, strict=True):
        fresh["state"]["counter"][INDEX_WORD] = index
        bits.state = fresh
        generator.standard_normal(out=row)
    return torch.from_numpy(rows).float()
