"""Both ways of an exchange, between real processes: every one sees the bits of all, and the highest stop."""

import multiprocessing
import os
import socket
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from stages.gan import exchange
from stages.gan.exchange import Exchange, Gathering, SharedMemory, exchange_for

SIZE = 3
FORKS_SAFELY = sys.platform == "linux"
"""Then processes need not load torch again; elsewhere a fork of one that has loaded it may hang."""


def vectors(rank: int, turn: int) -> list[Tensor]:
    """What a process shows: of two lengths in turn, as those of D and G; one vector or two."""
    length = 5 if turn % 2 else 100_000
    return [torch.arange(length) * 0.1 + 10 * turn + rank + slot / 2 for slot in range(1 if rank == 1 else 2)]


def see_all(rank: int, way: Exchange) -> None:
    for turn in range(6):
        tables, stop = way(vectors(rank, turn), 2, 15 if (rank, turn) == (2, 3) else 0)
        assert stop == (15 if turn == 3 else 0), (turn, stop)
        assert len(tables) == SIZE
        for other, table in enumerate(tables):
            assert table.shape == (2, 5 if turn % 2 else 100_000)
            for slot, vector in enumerate(vectors(other, turn)):
                assert table[slot].equal(vector), (way, turn, other, slot)


def take_part(rank: int, port: int, folder: Path) -> None:
    """One of SIZE processes: both ways, and the one through memory again where there is no room to share."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(SIZE), RANK=str(rank))
    exchange.SHARED_MEMORY = folder
    dist.init_process_group("gloo")
    see_all(rank, Gathering())
    see_all(rank, SharedMemory())
    exchange._new_file = lambda size: ""
    see_all(rank, full := SharedMemory())
    assert list(full._tables.values()) == [None, None]
    dist.destroy_process_group()  # as Team.leave does: without it, gloo's threads can end the process with SIGABRT


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_all_processes_see_all_bits(tmp_path: Path) -> None:
    """The same through shared memory, through torch.distributed, and where there is no room to share."""
    port = free_port()
    start = multiprocessing.get_context("fork").Process if FORKS_SAFELY else multiprocessing.Process
    processes = [start(target=take_part, args=(rank, port, tmp_path)) for rank in range(SIZE)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    ended = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert ended == [0] * SIZE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("local", "world", "device", "way"),
    [("2", "2", "cpu", SharedMemory), ("1", "2", "cpu", Gathering), ("2", "2", "cuda", Gathering)],
)
def test_memory_is_shared_on_the_cpu_of_one_machine(
    local: str, world: str, device: str, way: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    monkeypatch.setenv("WORLD_SIZE", world)
    assert type(exchange_for(torch.device(device))) is way
