"""Files are whole or not there, and the same content gives the same bytes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import safetensors.torch
import torch

from stages.common import files
from stages.common.errors import UserError

ROOT = Path(__file__).parents[2]

WRITE_BOTH = """
import sys, torch
from pathlib import Path
from stages.common import files
folder = Path(sys.argv[1])
tensors = {name: torch.arange(6.0).view(2, 3) + i for i, name in enumerate(["weight", "bias", "mean", "var"])}
files.write_tensors(folder / "t.safetensors", tensors, {"z_dim": 64, "network": "dcgan", "classes": ["0", "1"]})
names = sorted("weight bias mean var gain scale shift eps".split(), key=hash)
files.write_json(folder / "t.json", {name: 1 for name in names})
"""


OTHER_SEED = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"


def test_same_bytes_in_another_process_with_another_hash_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = os.environ | {"PYTHONHASHSEED": OTHER_SEED, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", WRITE_BOTH, tmp_path / "1"], env=environment, check=True)
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "2")])
    exec(WRITE_BOTH, {})
    for name in ("t.safetensors", "t.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_tensors_and_description_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(2, 3), "b": torch.tensor([1, 2]), "c": torch.randn(3, 4).t()}
    meta = {"network": "dcgan", "arguments": {"width": 32, "classes": ["0", "één"]}}
    files.write_tensors(tmp_path / "x" / "t.safetensors", tensors, meta)
    found, found_meta = files.read_tensors(tmp_path / "x" / "t.safetensors")
    torch.testing.assert_close(found, tensors, rtol=0, atol=0)
    assert found_meta == meta


def test_text_has_the_same_line_ends_everywhere(tmp_path: Path) -> None:
    files.write_text(tmp_path / "t.csv", "a\nb\n")
    assert (tmp_path / "t.csv").read_bytes() == b"a\nb\n"


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    files.write_json(path, 1)
    with pytest.raises(UnicodeEncodeError), files.atomic(path) as partial, partial.open("w", encoding="ascii") as file:
        file.writelines(["half", "één"])
    assert files.read_json(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_no_new_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "t.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "garbage": lambda _: b"\xff\x00garbage" * 100,
}


@pytest.mark.parametrize("damage", BREAKS.values(), ids=BREAKS.keys())
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_broken_file(tmp_path: Path, damage: Callable[[bytes], bytes], suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    if suffix == "json":
        files.write_json(path, {"a": [1, 2, 3]})
    else:
        files.write_tensors(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(damage(path.read_bytes()))
    read = files.read_json if suffix == "json" else files.read_tensors
    with pytest.raises(UserError, match=f"t.{suffix} is not .*dvc checkout .*t.{suffix}"):
        read(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_write_that_fails_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        files.write_text(tmp_path / "t.csv", "a\n")
    assert caught.value.filename == str(tmp_path / "t.csv")


@pytest.mark.parametrize("meta", [None, [], "text", 3])
def test_description_of_another_kind(tmp_path: Path, meta: Any) -> None:
    files.write_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(1)}, meta)
    with pytest.raises(UserError, match=r"is not a file of this pipeline .*its description is"):
        files.read_tensors(tmp_path / "t.safetensors")


def test_safetensors_file_of_another_program(tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "t.safetensors")
    with pytest.raises(UserError, match="is not a file of this pipeline"):
        files.read_tensors(tmp_path / "t.safetensors")


@pytest.mark.parametrize("read", [files.read_json, files.read_tensors, files.require])
def test_missing_file(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    path = tmp_path / "generate" / "samples.safetensors"
    with pytest.raises(UserError, match=r"samples.safetensors is missing; `dvc checkout .*`dvc repro generate`"):
        read(path)


def test_csv_has_six_digits_and_no_index(tmp_path: Path) -> None:
    table = pd.DataFrame({"class": ["7", "a"], "count": [1234567, 2], "share": [0.123456789, None]}, index=[5, 9])
    files.write_csv(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_bytes() == b"class,count,share\n7,1234567,0.123457\na,2,\n"
    assert files.csv_text(table).encode() == (tmp_path / "t.csv").read_bytes()


def test_what_differs_from_the_expectation_is_named(tmp_path: Path) -> None:
    path, other = tmp_path / "stage" / "a.safetensors", tmp_path / "b.safetensors"
    files.require_equal(path, "classes", ["0"], ["0"])
    with pytest.raises(UserError) as alone:
        files.require_equal(path, "classes", ["1"], ["0"])
    assert str(alone.value) == f"{path}: expected classes ['0'], found ['1']; {files.remedy(path)}"
    with pytest.raises(UserError, match=rf"expected classes \['0'\], as in {other}, found \['1'\]"):
        files.require_equal(path, "classes", ["1"], ["0"], like=other)
    assert "`dvc repro stage` makes it again" in files.remedy(path)
