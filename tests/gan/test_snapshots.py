"""The averaged generators of one training, in its order; another kind of file is refused in one line."""

from pathlib import Path
from typing import Any

import pytest
import torch

from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import ImageSet
from stages.gan.snapshots import read_snapshots

DIGITS = ImageSet(torch.zeros(2, 1, 4, 8), torch.tensor([0, 1]), ["cat", "dog"])
META = {"network": "mlp", "arguments": {"image_shape": [1, 4, 8]}, "classes": ["cat", "dog"], "batch_size": 50}


def write(path: Path, steps: list[int], prefix: str = "", **changes: Any) -> Path:
    tensors = {f"{prefix}{count}.{name}": torch.full((2,), count) for count in steps for name in ("0.weight", "bias")}
    write_tensors(path, tensors, META | changes)
    return path


def test_snapshots_come_in_the_order_of_training_with_their_own_tensors(tmp_path: Path) -> None:
    """By number: the file has them by name, 100 before 20."""
    snapshots = read_snapshots(write(tmp_path / "snapshots.safetensors", [100, 20, 2000]), DIGITS)
    assert [snapshot.kimg for snapshot in snapshots] == [1.0, 5.0, 100.0]
    for snapshot, steps in zip(snapshots, (20, 100, 2000), strict=True):
        assert snapshot.tensors.keys() == {"0.weight", "bias"}
        assert all((tensor == steps).all() for tensor in snapshot.tensors.values())


@pytest.mark.parametrize(
    ("prefix", "changes", "message"),
    [
        ("G.", {}, r"expected tensors named by steps, a point and a name in G, found 'G\.20\."),
        ("0", {}, r"expected tensors named by steps, a point and a name in G, found '020\."),
        ("-", {}, r"expected tensors named by steps, a point and a name in G, found '-20\."),
        ("1" * 5000, {}, r"expected tensors named by steps, a point and a name in G, found '1+\.\.\.1+20\."),
        ("9" * 14, {}, r"expected tensors named by steps, a point and a name in G, found '9+20\."),
        *(
            ("", {"batch_size": count}, "expected batch_size to be a number of images, at least 1, found ")
            for count in (None, 0, -50, True, 50.0, "50", 10**30)
        ),
        ("", {"arguments": None}, r"expected image shape \[1, 4, 8\], found None"),
        ("", {"arguments": {"image_shape": [3, 4, 8]}}, r"expected image shape \[1, 4, 8\], found \[3, 4, 8\]"),
        ("", {"classes": ["cat"]}, r"expected classes \['cat', 'dog'\], found \['cat'\]"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, prefix: str, changes: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "snapshots.safetensors", [20], prefix, **changes)
    with pytest.raises(UserError, match=rf"snapshots\.safetensors: {message}.*; `dvc checkout"):
        read_snapshots(path, DIGITS)


def test_a_snapshot_that_no_network_fits_is_refused(tmp_path: Path) -> None:
    (snapshot,) = read_snapshots(write(tmp_path / "snapshots.safetensors", [20]), DIGITS)
    with pytest.raises(UserError, match=r"snapshots\.safetensors holds no generator"):
        snapshot.sampler(seed=1)
