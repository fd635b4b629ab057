"""snapshots.safetensors is written a snapshot at a time, with the bytes that safetensors gives for all at once."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import pack_tensors
from stages.gan.snapshot_file import write_snapshots

META = {"network": "dcgan", "classes": ["0", "\u304b", 'a "quoted" \\ one\n', "\x7f\x01"], "arguments": {"z_dim": 3}}
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8]


def state(steps: int, dtypes: list[torch.dtype]) -> dict[str, Tensor]:
    """Some tensors of each dtype, among them an empty one and a number, of odd sizes and in no order."""
    generator = torch.Generator().manual_seed(steps)
    shapes = {"z.weight": (3, 5), "a.bias": (7,), "b": (), "m.none": (0, 2), "B": (1,)}
    return {
        f"{name}_{number}": (torch.randn(shape, generator=generator) * 9).to(dtype)
        for number, dtype in enumerate(dtypes)
        for name, shape in shapes.items()
    }


def written(path: Path, states: dict[int, dict[str, Tensor]], like: dict[str, Tensor], meta: dict[str, Any]) -> bytes:
    write_snapshots(path, states, like, lambda steps: pack_tensors(states[steps], {}), meta)
    return path.read_bytes()


@pytest.mark.parametrize("kept_at", [[], [7], [10, 20, 100, 1000, 9], [5, 50, 500]])
@pytest.mark.parametrize("dtypes", [DTYPES[:1], [torch.int64, torch.float32], DTYPES])
def test_the_bytes_are_those_of_all_tensors_at_once(
    kept_at: list[int], dtypes: list[torch.dtype], tmp_path: Path
) -> None:
    states = {steps: state(steps, dtypes) for steps in kept_at}
    together = {f"{steps}.{name}": tensor for steps, kept in states.items() for name, tensor in kept.items()}
    found = written(tmp_path / "snapshots.safetensors", states, state(0, dtypes), META)
    assert found == pack_tensors(together, META)


def test_a_snapshot_of_another_network_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    states = {1: state(1, DTYPES), 2: state(2, DTYPES) | {"more": torch.ones(1)}}
    with pytest.raises(UserError, match="the snapshot after 2 steps is none of this network"):
        written(tmp_path / "snapshots.safetensors", states, state(0, DTYPES), META)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_their_number(tmp_path: Path) -> None:
    one = {"weight": torch.zeros(250_000)}
    tracemalloc.start()
    write_snapshots(tmp_path / "file", range(100), one, lambda _steps: pack_tensors(one, {}), {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "file").stat().st_size > 100 * 10**6
    assert peak < 10 * 10**6
