"""Forward passes in blocks of one constant size.

Kernels are chosen by batch size: the same row gives other bits in a batch of 1, 2 or 500. Whatever reaches a
file is therefore computed in full blocks, the last one padded with zeros.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

BLOCK_SIZE = 100


def in_blocks(function: Callable[..., Tensor], *inputs: Tensor, size: int = BLOCK_SIZE, threads: int = 1) -> Tensor:
    """function(*inputs) without gradients, a block of rows at a time.

    inputs: tensors [N, ...] of one length N; the function must map rows to rows, each on its own.
    threads: how many blocks are computed at once, each by one thread.
    Returns [N, ...] on the CPU; row i has the same bits for any N > i, and for any number of threads.
    """
    n = len(inputs[0])

    def block(start: int) -> Tensor:
        with torch.no_grad():  # holds for this thread alone
            rows = [_padded(tensor[start : start + size], size) for tensor in inputs]
            return function(*rows)[: n - start].cpu()

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return torch.cat(list(pool.map(block, range(0, n, size))))


def _padded(block: Tensor, size: int) -> Tensor:
    if len(block) == size:
        return block
    return torch.cat([block, block.new_zeros(size - len(block), *block.shape[1:])])
