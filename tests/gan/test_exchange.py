"""Both ways of an exchange, between real processes: every one sees the bits of all, and the highest stop."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.gan.exchange import Gathering, SharedMemory, exchange_for

ROOT = Path(__file__).parents[2]
SIZE = 3
PROGRAM = """
import pathlib, stages, sys, tempfile, torch
import torch.distributed as dist
from stages.gan import exchange
from stages.gan.exchange import Gathering, SharedMemory

exchange.SHARED_MEMORY = pathlib.Path(tempfile.gettempdir())
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
if "full" in sys.argv:
    exchange._new_file = lambda size: ""
    ways = [SharedMemory()]
else:
    ways = [Gathering(), SharedMemory()]
for way in ways:
    for turn in range(6):  # vectors of two lengths in turn, as those of D and G
        length = 5 if turn % 2 else 100_000
        of = lambda r: [torch.arange(length) * 0.1 + 10 * turn + r + s / 2 for s in range(1 if r == 1 else 2)]
        tables, stop = way(of(rank), 2, 15 if (rank, turn) == (2, 3) else 0)
        assert stop == (15 if turn == 3 else 0), (turn, stop)
        assert len(tables) == size
        for r, table in enumerate(tables):
            assert table.shape == (2, length)
            for slot, vector in enumerate(of(r)):
                assert table[slot].equal(vector), (way, turn, r, slot)
if "full" in sys.argv:
    assert list(ways[0]._tables.values()) == [None, None]
dist.destroy_process_group()  # as Team.leave does: without it, gloo's threads can end the process with SIGABRT
print("all seen")
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("room", ["room", "full"])
def test_all_processes_see_all_bits(room: str, tmp_path: Path) -> None:
    """The same through shared memory, through torch.distributed, and where there is no room to share."""
    folder = {"TMPDIR": str(tmp_path)}
    common = (
        os.environ | folder | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(SIZE)}
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, room],
            cwd=ROOT,
            env=common | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(SIZE)
    ]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * SIZE, "\n".join(printed)
    assert all("all seen" in text for text in printed)
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
