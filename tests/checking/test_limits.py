"""What params ask for, estimated: against counts made by hand, and against what really is allocated."""

import math
import re
from pathlib import Path

import pytest
import torch

from stages.checking import limits
from stages.checking.limits import GIB, NetCost


def test_images_are_held_as_floats_as_levels_and_once_more() -> None:
    held = [torch.zeros(3, 1, 8, 8), torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, 1, 8, 8)]
    assert limits.images_bytes(3, 1, 8, 8) == sum(tensor.numel() * tensor.element_size() for tensor in held)


@pytest.mark.parametrize(
    ("total_kimg", "snapshot_kimg", "batch_size", "expected"),
    [(512, 32, 256, 17), (1, 1e-320, 100, 11), (1, 0.1, 100, 11), (1, 0.5, 100, 3), (1e306, 1e-320, 1, math.inf)],
)
def test_snapshots(total_kimg: float, snapshot_kimg: float, batch_size: int, expected: float) -> None:
    assert limits.snapshots(total_kimg, snapshot_kimg, batch_size) == pytest.approx(expected)


def problems(total_kimg: float = 512, snapshot_kimg: float = 32, batch_size: int = 256) -> list[str]:
    return list(limits.training_problems(total_kimg, snapshot_kimg, batch_size, 1_650_000, 8 * GIB, 20 * GIB))


def test_a_training_that_works_has_no_problem() -> None:
    assert problems() == []
    assert problems(total_kimg=10_000) == []
    assert problems(total_kimg=100, snapshot_kimg=0.256) == []


@pytest.mark.parametrize("total_kimg", [1e306, 1e12])
def test_a_training_without_end_is_refused(total_kimg: float) -> None:
    (line,) = problems(total_kimg=total_kimg)
    assert line.startswith("train_gan.total_kimg: ")
    assert "expected at most 2.56e+08 kimg" in line
    assert len(line) <= 200
    assert problems(total_kimg=2.5e8, snapshot_kimg=1e7) == []


@pytest.mark.parametrize("snapshot_kimg", [1e-320, 0.0001, 0.25])
def test_snapshots_between_two_steps_are_refused(snapshot_kimg: float) -> None:
    (line,) = problems(snapshot_kimg=snapshot_kimg)
    assert line == f"train_gan.snapshot_kimg: expected at least one step, 0.256 kimg, found {snapshot_kimg:g}"


@pytest.mark.parametrize("snapshot_kimg", [0.256, 0.5])
def test_more_snapshots_than_memory_holds_are_refused_with_what_would_do(snapshot_kimg: float) -> None:
    (line,) = problems(total_kimg=10_000, snapshot_kimg=snapshot_kimg)
    assert line.startswith("train_gan.snapshot_kimg: needs ")
    assert len(line) <= 200
    least = float(line.split("at least about ")[1].split(",")[0])
    assert problems(total_kimg=10_000, snapshot_kimg=2 * least) == []


def test_a_training_without_a_snapshot_is_refused() -> None:
    """200 steps of 256 images show 51.2 kimg, more than the 51 that are asked for."""
    assert problems(total_kimg=51, snapshot_kimg=51.2) == []
    (line,) = problems(total_kimg=51, snapshot_kimg=51.3)
    assert line.startswith("train_gan.snapshot_kimg: expected at most the 51.2 kimg of the training, ")
    assert line.endswith("found 51.3")


def test_snapshots_need_no_more_than_what_reads_and_keeps_them() -> None:
    """1,000 states of 1 MB: three times a GB of memory and of disk; on either side of that."""
    for memory, disk, expected in ((3.1e9, 3.1e9, 0), (2.9e9, 3.1e9, 1), (3.1e9, 2.9e9, 1)):
        found = list(limits.training_problems(999, 1, 100, 10**6, int(memory), int(disk)))
        assert len(found) == expected


def test_a_history_of_too_many_rows_is_refused_with_what_would_do() -> None:
    assert list(limits.history_problems(512, 1, 256)) == []
    assert list(limits.history_problems(256_000, 1, 256)) == []
    (line,) = limits.history_problems(2_560_000, 1, 256)
    assert line == "train_gan.history_steps: 1e+07 rows of history.csv; expected at least about 10, found 1"
    assert list(limits.history_problems(2_560_000, 10, 256)) == []


def test_a_line_says_what_would_fit() -> None:
    (line,) = limits.refuse_above(
        "generate.num_images", 10**9, limits.images_bytes(10**9, 1, 28, 28), 8 * GIB, "memory"
    )
    assert line == (
        "generate.num_images: needs 6.57e+03 GiB of memory, and 8 GiB are there; expected less, at most about 1.2e+06, "
        "found 1e+09"
    )
    assert list(limits.refuse_above("generate.num_images", 5, 8 * GIB, 8 * GIB, "memory")) == []


def test_training_holds_g_s_outputs_of_all_parts_and_d_s_of_one() -> None:
    small, large = NetCost(10, 100), NetCost(1000, 100)
    nets = 4 * (4 * 20 + 10)
    assert limits.training_bytes(small, small, 4, 1, 1) == nets + 4 * 3 * 4 * 200
    assert limits.training_bytes(small, small, 8, 2, 1) == nets + 4 * (3 * 4 * 200 + 4 * 100)
    assert limits.training_bytes(large, small, 4, 1, 1) > limits.training_bytes(small, large, 4, 1, 1)
    packs = 4 * (3 * (4 * 100 + 2 * 100) + 4 * 100)
    assert limits.training_bytes(small, small, 8, 2, 2) == nets + packs
    outputs = NetCost(10, 1000)
    assert limits.training_bytes(outputs, small, 8, 2, 1) > limits.training_bytes(small, outputs, 8, 2, 1)


def test_nets_and_batches_that_no_memory_holds_are_told_apart() -> None:
    small, large = NetCost(1000, 1000), NetCost(10**9, 1000)
    assert list(limits.net_problems(small, small, 256, 4, 1, 8 * GIB)) == []
    (line,) = limits.net_problems(large, small, 256, 4, 1, 8 * GIB)
    assert line.startswith("train_gan.network: needs 18.6 GiB of memory for the two nets, and 8 GiB are there")
    for batch_size in (4 * 10**6, 4 * 10**400):
        (line,) = limits.net_problems(small, small, batch_size, 4, 1, 8 * GIB)
        assert re.match(r"train_gan.batch_size: needs .* of memory, and 8 GiB are there; expected less, at most", line)
        assert len(line) <= 200


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert limits.free_disk(tmp_path / "data" / "generate") > 0
