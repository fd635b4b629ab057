"""What lies in the place of a file: its kind and size are checked before it is opened or read."""

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.common import files
from stages.common.class_names import LONGEST_NAME, MOST_CLASSES, class_names
from stages.common.errors import UserError
from stages.common.files import pack_tensors, read_json, read_packed, read_tensors, unpack_tensors, write_tensors
from stages.common.strict_json import MOST_DEPTH, parse_json
from stages.common.tensor_header import MOST_HEADER_BYTES
from stages.datasets.formats import idx
from stages.gan.initial import read_net
from tests.fuzzing import assert_one_line

HUGE = 100 * 2**30
READERS: dict[str, Callable[[Path], Any]] = {
    "JSON": read_json,
    "tensors": read_tensors,
    "nets": read_net,
    "IDX images": idx.read_images,
    "IDX labels": idx.read_labels,
}
readers = pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short one, for a socket's path may not be long."""
    monkeypatch.chdir(tmp_path)
    Path("train_gan").mkdir()
    return Path("train_gan/file")


def refusal(read: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    assert_one_line(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a FIFO": getattr(os, "mkfifo", Path.mkdir),
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a socket": listen,
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs and no devices among files")
@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "a link to it"])
@readers
def test_what_is_no_regular_file_is_refused_without_waiting(
    read: Callable[[Path], Any], linked: bool, kind: str, path: Path
) -> None:
    NO_FILES[kind](Path("other") if linked else path)
    if linked:
        path.symlink_to(Path("../other"))
    assert f"expected a regular file, found {kind}" in refusal(read, path)


@readers
def test_a_link_to_a_regular_file_is_followed_and_a_dangling_one_is_missing(
    read: Callable[[Path], Any], path: Path
) -> None:
    path.symlink_to("nowhere")
    assert "is missing" in refusal(read, path)
    files.write_json(path.parent / "nowhere", [1])
    assert read_json(path) == [1]


def sparse(path: Path, start: bytes, size: int = HUGE) -> None:
    """A file of that size which takes no space on the disk."""
    path.write_bytes(start)
    os.truncate(path, size)


def header_of(shape: list[int], dtype: str = "F32") -> bytes:
    """The start of a file of one tensor of that shape, with everything in its place."""
    size = int(np.prod(shape, dtype=object)) * 4
    text = f'{{"__metadata__":{{"meta":"{{}}"}},"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{size}]}}}}'
    return struct.pack("<Q", len(text)) + text.encode()


STARTS = {
    "zeros": (b"", "Expecting value"),
    "a header that promises less": (pack_tensors({"a": torch.zeros(3)}, {}), "where its header promises"),
    "a header as long as the file": (struct.pack("<Q", HUGE - 8), "begin with a header of"),
    "a header a little too long": (struct.pack("<Q", MOST_HEADER_BYTES + 1), "begin with a header of"),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("read", [read_tensors, read_net])
def test_a_sparse_file_of_100_gib_is_refused_by_its_header(read: Callable[[Path], Any], start: str, path: Path) -> None:
    content, reason = STARTS[start]
    sparse(path, content)
    assert reason in refusal(read, path)


def test_a_whole_file_that_memory_cannot_hold_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = header_of([HUGE // 4])
    sparse(path, start, len(start) + HUGE)
    monkeypatch.setattr(files, "free_memory", lambda: 2 * HUGE)
    assert refusal(read_tensors, path).startswith(f"{path}: reading it needs 200 GiB of memory, and 200 GiB are free")
    write_tensors(path, {"a": torch.zeros(10_000)}, {})
    assert read_tensors(path)[0]["a"].shape == (10_000,)
    monkeypatch.setattr(files, "free_memory", lambda: 80_000)
    assert "reading it needs" in refusal(read_tensors, path)


def test_idx_that_memory_cannot_hold_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = struct.pack(">4B3I", 0, 0, 8, 3, 10**6, 320, 320)
    sparse(path, header, len(header) + 10**6 * 320 * 320)
    monkeypatch.setattr(files, "free_memory", lambda: 10**11)
    assert "reading it needs" in refusal(idx.read_images, path)


@pytest.mark.parametrize("start", [b"", b"[1]", b"\xff"])
def test_json_of_100_gib_is_refused_by_its_size(start: bytes, path: Path) -> None:
    sparse(path, start)
    assert f"expected at most {files.MOST_JSON_BYTES} bytes, found {HUGE}" in refusal(read_json, path)


ABSURD: tuple[dict[str, Any], ...] = (
    {"num_classes": 10**8},
    {"width": 10**6},
    {"width": 1024, "z_dim": 4096},
    {"image_shape": [16, 1024, 1024]},
)
LIMITED = """
import resource, sys
import stages
from pathlib import Path
from stages.common.errors import UserError
from stages.common.files import read_tensors
from stages.gan.sampler import sampler_from
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        sampler_from(*read_tensors(Path(path)), seed=1, source="file")
    except UserError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_generators_of_absurd_sizes_take_no_memory(tmp_path: Path) -> None:
    """In a process of its own, whose peak is its own."""
    arguments = {"image_shape": [1, 8, 8], "num_classes": 2, "z_dim": 3, "width": 2}
    paths = [tmp_path / str(number) for number in range(len(ABSURD))]
    for path, changes in zip(paths, ABSURD, strict=True):
        meta = {"network": "dcgan", "arguments": arguments | changes, "classes": ["a", "b"]}
        write_tensors(path, {"project.weight": torch.zeros(3)}, meta)
    command = [sys.executable, "-c", LIMITED, *map(str, paths)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    *lines, mebibytes = done.stdout.splitlines()
    assert len(lines) == len(ABSURD)
    assert all(line.startswith("file holds no generator that this code can rebuild") for line in lines)
    assert int(mebibytes) < 64


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "more than 32 levels"),
        ('{"a":' * 900 + "1" + "}" * 900, "more than 32 levels"),
        ("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "more than 32 levels"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"\\udfff": 1}', "half of a surrogate pair"),
        ("NaN", "the number 'NaN'"),
        ("[-Infinity]", "the number '-Infinity'"),
        ("1e400", "the number '1e400'"),
        ("9" * 5000, "the number '9999"),
        ("-" + "9" * 100, "the number '-9999"),
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ('{"a": {"\\n": 1, "\\n": 2}}', r"the key '\n' twice"),
        ("", "Expecting value"),
        ("\ufeff1", "BOM"),
        (b"\xff\xfe1\x00", "can't decode byte"),
        (b"1\x00", "Extra data"),
    ],
)
def test_json_that_no_stage_writes(text: bytes | str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.partition("'")[0]) as caught:
        parse_json(text)
    assert_one_line(caught.value)
    assert reason in str(caught.value)
    if isinstance(text, str):
        with pytest.raises(ValueError, match="no safetensors with a description"):
            unpack_tensors(packed_with(text))


def packed_with(meta: str) -> bytes:
    """A file of no tensors whose description is that text."""
    header = json.dumps({"__metadata__": {"meta": meta}}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize("value", [1, -(10**98), 0.5, 1e308, "é 猫 😀", {"a": [{}, None, True]}])
def test_json_that_a_stage_may_write(value: Any, path: Path) -> None:
    files.write_json(path, value)
    assert read_json(path) == value


def place(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"a": place(dtype="C64")}, "the tensor 'a' is"),
        ({"a": place(dtype=["F32"])}, "the tensor 'a' is"),
        ({"a": place(shape=[3])}, "the tensor 'a' is"),
        ({"a": place(shape=[-2])}, "the tensor 'a' is"),
        ({"a": place(shape=[2.0])}, "the tensor 'a' is"),
        ({"a": place(shape=[True, 2])}, "the tensor 'a' is"),
        ({"a": place(shape=[2] + [1] * 8)}, "the tensor 'a' is"),
        ({"a": place(shape=[0, 2**63], data_offsets=[0, 0])}, "the tensor 'a' is"),
        ({"a": place(data_offsets=[0, 8, 8])}, "the tensor 'a' is"),
        ({"a": place(more=1)}, "the tensor 'a' is"),
        ({"a": place(), "b": place()}, "the tensor 'b' begins at byte 0 where 8 was expected"),
        ({"a": place(), "b": place(data_offsets=[12, 20])}, "the tensor 'b' begins at byte 12 where 8 was expected"),
        ({"a\x1b[2J" * 50: place(data_offsets=[4, 12])}, r"the tensor 'a\x1b[2J"),
    ],
)
def test_headers_whose_tensors_are_out_of_place(entries: dict[str, Any], reason: str) -> None:
    header = json.dumps({"__metadata__": {"meta": "{}"}, **entries}).encode()
    with pytest.raises(ValueError, match="no safetensors with a description") as caught:
        unpack_tensors(struct.pack("<Q", len(header)) + header + bytes(8))
    assert_one_line(caught.value)
    assert reason in str(caught.value)


def test_tensors_without_numbers_are_read() -> None:
    tensors = {
        "none": torch.zeros(0, 3),
        "one": torch.tensor(7),
        "two": torch.zeros(2).half(),
        "yes": torch.tensor([True]),
    }
    torch.testing.assert_close(unpack_tensors(pack_tensors(tensors, {}))[0], tensors, rtol=0, atol=0)


def test_a_file_that_changes_while_it_is_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tensors(path, {"a": torch.zeros(100_000)}, {})
    content = read_packed(path)
    monkeypatch.setattr(files, "require_memory", lambda *_: os.truncate(path, len(content) // 2))
    assert "is not a file of this pipeline" in refusal(read_tensors, path)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "names of classes, found None"),
        ("ab", "names of classes, found 'ab'"),
        ([], "1 to 1000 classes, found 0"),
        ([1, 2], "names of classes, found"),
        ([["a"]], "names of classes, found"),
        (["a", ""], "found ''"),
        (["a", " "], "found ' '"),
        (["a", "a"], "different names of classes, found 'a' twice"),
        (["a\n"], r"found 'a\n'"),
        (["\x1b[2J"], r"found '\x1b[2J'"),
        (["\ud800"], r"found '\ud800'"),
        (["a" * (LONGEST_NAME + 1)], "found 'aaa"),
        ([str(number) for number in range(MOST_CLASSES + 1)], "1 to 1000 classes, found 1001"),
    ],
)
def test_what_is_no_list_of_class_names(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*name.* of .*, found") as caught:
        class_names(value)
    assert_one_line(caught.value)
    assert reason in str(caught.value)


def test_class_names_of_any_language_are_taken() -> None:
    names = ["T-shirt/top", "é", "猫", "い ろ", "0", "a" * LONGEST_NAME]
    assert class_names(names) == names
