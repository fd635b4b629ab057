"""Work in blocks of rows: forward passes of one constant size, and long computations by all cores.

Kernels are chosen by batch size: the same row gives other bits in a batch of 1, 2 or 500. Whatever reaches a
file is therefore computed in full blocks, the last one padded with zeros.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from stages.common.progress import progress

T = TypeVar("T")
BLOCK_SIZE = 100


def in_blocks(
    function: Callable[..., Tensor],
    *inputs: Tensor,
    size: int = BLOCK_SIZE,
    threads: int = 1,
    description: str = "forward passes",
) -> Tensor:
    """function(*inputs) without gradients, a block of rows at a time.

    inputs: tensors [N, ...] of one length N; the function must map rows to rows, each on its own.
    threads: how many blocks are computed at once, each by one thread; description: for the progress.
    Returns [N, ...] on the CPU; row i has the same bits for any N > i, and for any number of threads.
    """
    n = len(inputs[0])

    def block(start: int) -> Tensor:
        with torch.no_grad():  # holds for this thread alone
            rows = [_padded(tensor[start : start + size], size) for tensor in inputs]
            return function(*rows)[: n - start].cpu()

    return torch.cat(list(in_order(block, range(0, n, size), threads, description)))


def in_order(function: Callable[[int], T], starts: range, threads: int, description: str) -> Iterator[T]:
    """function(start) for each first row of a block, in this order; several are computed at once, one thread each."""
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        with progress(description, starts.stop, "image") as counter:
            for start, result in zip(starts, pool.map(function, starts), strict=True):
                counter.advance(min(starts.step, starts.stop - start))
                yield result
    finally:
        pool.shutdown(cancel_futures=True)  # what an error or an interrupt leaves over is not computed


def _padded(block: Tensor, size: int) -> Tensor:
    if len(block) == size:
        return block
    return torch.cat([block, block.new_zeros(size - len(block), *block.shape[1:])])
