"""Seeded mutations of every kind of file that holds tensors: read as what it is, or refused in one line."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.classifier.model import Classifier, load_classifier
from stages.common import files
from stages.common.errors import UserError
from stages.common.files import pack_tensors, read_tensors, unpack_tensors
from stages.common.images import ImageSet, load_image_set
from stages.common.initialise import initialise
from stages.gan import architectures
from stages.gan.initial import load_net
from stages.gan.sampler import sampler_from
from stages.gan.snapshots import read_snapshots
from tests.fuzzing import assert_one_line, counts, mutated

CLASSES = ["cat", "dog"]
ARGUMENTS: dict[str, Any] = {"image_shape": [1, 8, 8], "num_classes": 2, "z_dim": 3, "width": 2}
META = {"network": "dcgan", "arguments": ARGUMENTS, "classes": CLASSES, "batch_size": 50}
DIGITS = ImageSet(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]), CLASSES)
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 7, 10**8, 2**31, 2**63, 10**30, 10**99, 1e308, "", "x", "\x1b[2J", "\ud800", "y" * 2000,
    0.5, [], [0], [[0]], [1, 8, 8], [1, 10**6, 8], {}, {"a": 1}, ["cat"], ["cat", "cat"], [["cat"], "dog"], ["é", "猫"],
    ["c"] * 2000, [str(number) for number in range(2000)],
)  # fmt: skip
"""Values in the place of others."""
RAW = (
    b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"[" * 5000, b'{"a":' * 2000, b'"\\ud800"', b'"\\u0000"', b"\xff",
    b"",
)  # fmt: skip
"""What json.dumps does not write."""
DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "C64", "I64", "I32", "U8", "BOOL", "x")
NUMBERS = (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\xff\xff\x7f\x7f", b"\x00\x00\x80\xbf", b"\xff" * 8)
"""NaN, -infinity, the largest float32, -1, and -1 as int64."""
LENGTHS = (0, 1, 7, 2**31, 2**32, 2**63, 2**64 - 1)


def generator() -> torch.nn.Module:
    made = architectures.build_generator("dcgan", ARGUMENTS)
    initialise(made, 1, "test")
    return made


def classifier_file() -> bytes:
    made = Classifier([1, 8, 8], num_classes=2, width=2, num_features=6)
    initialise(made, 1, "test")
    return pack_tensors(made.state_dict(), {"arguments": made.arguments, "classes": CLASSES})


def snapshots_file() -> bytes:
    tensors = {f"{steps}.{name}": tensor for steps in (5, 20) for name, tensor in generator().state_dict().items()}
    return pack_tensors(tensors, META)


def read_sampler(path: Path) -> None:
    sampler = sampler_from(*read_tensors(path), seed=1, source=str(path))
    images = sampler.images(sampler.latents("z", 2), torch.arange(2))
    assert images.shape[1:].numel() <= 10_000


def read_all_snapshots(path: Path) -> None:
    for snapshot in read_snapshots(path, DIGITS):
        assert snapshot.kimg > 0
        snapshot.sampler(1)


def read_image_set(path: Path) -> None:
    images = load_image_set(path)
    assert images.images.abs().max() <= 1
    assert len(images.labels) == len(images)
    assert int(images.labels.max()) < len(images.classes)


def read_checkpoint(path: Path) -> None:
    try:
        assert all(isinstance(tensor, torch.Tensor) for tensor in unpack_tensors(path.read_bytes())[0].values())
    except ValueError as error:
        raise UserError(str(error)) from None


IMAGES = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
KINDS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "generator": (pack_tensors(generator().state_dict(), META), read_sampler),
    "nets to start from": (
        pack_tensors(generator().state_dict(), META),
        lambda path: load_net(path, generator(), "dcgan", ARGUMENTS),
    ),
    "snapshots": (snapshots_file(), read_all_snapshots),
    "classifier": (classifier_file(), lambda path: load_classifier(path, DIGITS, Path("digits"))),
    "images": (pack_tensors({"images": IMAGES, "labels": torch.tensor([0, 1])}, {"classes": CLASSES}), read_image_set),
    "checkpoint": (pack_tensors({"a": torch.zeros(3), "b": torch.ones(2).long()}, {"step": 3}), read_checkpoint),
}
"""A good file of each kind, and what reads it."""


def split(content: bytes) -> tuple[Any, bytes]:
    """The header and the tensors' bytes."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def joined(header: object, body: bytes) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + body


def with_another_value(value: Any, draw: random.Random) -> Any:
    """The value with an odd one somewhere in it, or without one of its keys."""
    if not isinstance(value, dict | list) or not value or draw.random() < 0.2:
        return draw.choice(ODD)
    changed: Any = value.copy()
    key = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
    if draw.random() < 0.15:
        del changed[key]
    else:
        changed[key] = with_another_value(value[key], draw)
    return changed


def another_description(content: bytes, draw: random.Random) -> bytes:
    header, body = split(content)
    meta = header["__metadata__"]["meta"]
    if draw.random() < 0.3:
        key = draw.choice([b"50", b"2", b'"cat"', b"3", b"["])
        meta = meta.encode().replace(key, draw.choice(RAW), 1).decode("utf-8", "replace")
    else:
        meta = json.dumps(with_another_value(json.loads(meta), draw))
    return joined(header | {"__metadata__": {"meta": meta}}, body)


def another_tensor(content: bytes, draw: random.Random) -> bytes:
    """One entry of the header says something else, or the header or the body is another."""
    header, body = split(content)
    name = draw.choice([name for name in header if name != "__metadata__"])
    entry = dict(header[name])
    match draw.randrange(6):
        case 0:
            entry["dtype"] = draw.choice(DTYPES)
        case 1:
            entry["shape"] = with_another_value(entry["shape"], draw)
        case 2:
            entry["data_offsets"] = with_another_value(entry["data_offsets"], draw)
        case 3:  # one tensor under another name, which a stranger chose
            del header[name]
            name = draw.choice((f"007.{name}", f"{10**30}.{name}", "\x1b[2J", "n" * 5000, "", f"0.{name}", "5"))
        case 4:
            entry = draw.choice(ODD)
        case 5:
            return joined(json.dumps(header | {name: entry}).encode().replace(b"0", draw.choice(RAW), 1), body)
    return joined(header | {name: entry}, body)


def another_size(content: bytes, draw: random.Random) -> bytes:
    match draw.randrange(3):
        case 0:
            return content[: draw.randrange(len(content))]
        case 1:
            return content + bytes(draw.choice((1, 8, 4096)))
        case _:
            return draw.choice(LENGTHS).to_bytes(8, "little") + content[8:]


def another_weight(content: bytes, draw: random.Random) -> bytes:
    """The bytes of numbers: among them some that are none, or huge, or negative."""
    header, body = split(content)
    at = draw.randrange(max(1, len(body) // 4)) * 4
    piece = draw.choice(
        (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\xff\xff\x7f\x7f", b"\x00\x00\x80\xbf", b"\xff" * 8)
    )
    return joined(header, body[:at] + piece[: len(body) - at] + body[at + len(piece) :])


CHANGES = (another_description, another_description, another_tensor, another_size, another_weight, mutated)


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_file_is_read(kind: str, tmp_path: Path) -> None:
    content, read = KINDS[kind]
    (tmp_path / "file").write_bytes(content)
    read(tmp_path / "file")


@counts
def test_no_file_of_tensors_breaks_its_reader(count: int, tmp_path: Path) -> None:
    draw, path, refused = random.Random(6), tmp_path / "generate" / "file", 0
    path.parent.mkdir()
    kinds = list(KINDS.values())
    for number in range(count):
        content, read = kinds[number % len(kinds)]
        path.write_bytes(draw.choice(CHANGES)(content, draw))
        try:
            read(path)
        except UserError as error:
            assert_one_line(error, path)
            refused += 1
    assert refused > count / 2


@counts
def test_no_json_breaks_its_reader(count: int, tmp_path: Path) -> None:
    draw, path = random.Random(7), tmp_path / "file"
    good = json.dumps({"name": "mnist", "classes": CLASSES, "nested": {"list": [1, 2.5, None, True, "é"]}})
    for _ in range(count):
        changed = with_another_value(json.loads(good), draw) if draw.random() < 0.5 else json.loads(good)
        content = json.dumps(changed, ensure_ascii=draw.random() < 0.7).encode("utf-8", "surrogatepass")
        if draw.random() < 0.5:
            content = mutated(content, draw) if draw.random() < 0.5 else content.replace(b"2.5", draw.choice(RAW))
        path.write_bytes(content)
        try:
            json.dumps(
                files.read_json(path), allow_nan=False, ensure_ascii=False
            ).encode()  # what is read can be written
        except UserError as error:
            assert_one_line(error, path)
