"""How the processes of a team exchange their sums. Both ways copy bits and add nothing.

There is one exchange per update, of D or G. Shared memory saves the time that all_gather spends on sockets.
"""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from stages.common.errors import UserError
from stages.common.failures import failure_of

SHARED_MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory; elsewhere the temporary folder serves."""
LONGEST_PATH = 4096


class Exchange(Protocol):
    """What Team calls. Every process makes the same calls in the same order, with vectors of the same length."""

    def __call__(self, vectors: list[Tensor], slots: int, stop: int) -> tuple[list[Tensor], int]:
        """All-gather up to `slots` vectors [N]. Returns the table [slots, N] of each rank, and the highest stop.

        The tables stay valid during the next call, not after it.
        """


class Gathering:
    """By torch.distributed: between GPUs, and between machines."""

    def __call__(self, vectors: list[Tensor], slots: int, stop: int) -> tuple[list[Tensor], int]:
        """See Exchange."""
        sent = vectors[0].new_zeros(slots, len(vectors[0]) + 1)
        sent[0, -1] = stop
        for slot, vector in enumerate(vectors):
            sent[slot, :-1] = vector
        received = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
        with others_present():
            dist.all_gather(received, sent)
        return [table[:, :-1] for table in received], int(max(table[0, -1].item() for table in received))


class SharedMemory:
    """By memory that all processes of a machine share: float32 on the CPU only."""

    def __init__(self) -> None:
        self._tables: dict[int, Tensor | None] = {}
        self._turn = 0
        self._otherwise = Gathering()

    def __call__(self, vectors: list[Tensor], slots: int, stop: int) -> tuple[list[Tensor], int]:
        """See Exchange."""
        length = len(vectors[0])
        if length not in self._tables:
            self._tables[length] = shared_tensor((2, dist.get_world_size(), slots, length))
        tables = self._tables[length]
        if tables is None:
            return self._otherwise(vectors, slots, stop)
        # Two halves alternate: before one is written again, the next call has made sure that every process has read it.
        self._turn = 1 - self._turn
        half = tables[self._turn]
        for slot, vector in enumerate(vectors):
            half[dist.get_rank(), slot].copy_(vector)
        highest = torch.tensor([stop])
        with others_present():
            dist.all_reduce(highest, op=dist.ReduceOp.MAX)  # returns only after every process has written its sums
        return list(half), int(highest.item())


def shared_tensor(shape: tuple[int, ...]) -> Tensor | None:
    """A float32 tensor of zeros in memory that all processes share, or None if there is no room for it.

    The file behind it is unlinked as soon as every process has opened it, so that nothing is left however they end.
    """
    size = math.prod(shape)
    sent = torch.zeros(LONGEST_PATH, dtype=torch.uint8)
    if dist.get_rank() == 0:
        name = _new_file(4 * size).encode()
        sent[: len(name)] = torch.frombuffer(bytearray(name), dtype=torch.uint8) if name else sent[:0]
    with others_present():
        dist.broadcast(sent, 0)
    path = Path(bytes(sent.numpy()).rstrip(b"\0").decode())
    if path == Path():
        return None
    try:
        shared = torch.from_file(str(path), shared=True, size=size)
        with others_present():
            dist.barrier()
    finally:
        path.unlink(missing_ok=True)
    return shared.view(shape)


def _new_file(size: int) -> str:
    """The path of a new file of `size` zero bytes, or an empty string if there is no room for it."""
    # Every byte is written now: running out of memory on a later write would kill the process without a message.
    name = ""
    try:
        handle, name = tempfile.mkstemp(prefix="gan_team_", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(size))
    except OSError:
        if name:
            Path(name).unlink(missing_ok=True)
        return ""
    return name


def exchange_for(device: torch.device) -> Exchange:
    """Shared memory if torch's launcher started all processes on this machine's CPU, else torch.distributed."""
    one_machine = os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE")
    return SharedMemory() if one_machine and device.type == "cpu" else Gathering()


@contextmanager
def others_present() -> Iterator[None]:
    """Raises UserError if torch loses the connection to another process."""
    try:
        yield
    except RuntimeError as error:
        own = failure_of(error) is not None and "remote" not in str(error).lower()  # as NCCL says of another process
        if own or not dist.is_initialized():
            raise
        raise UserError(
            "another process of this training ended; `dvc repro` resumes from the last checkpoint"
        ) from error
