"""Checkpoints that a stranger wrote, with checksums that fit: passed over in one line each, and the one before is used.

Each input changes the newest of two checkpoints, or what both rely on, in its bytes, description, tensors or records.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages import train_gan
from stages.common.files import pack_tensors, unpack_tensors
from stages.common.images import load_image_set
from stages.gan.checkpoints import DIGEST_BYTES, FINISHED, Checkpoints
from stages.gan.journal import Journal
from stages.gan.loop import Loop
from stages.gan.team import Team
from tests.gan_params import gan_params
from tools.profiles import TRAINING

KEY = "k" * 64
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    5,
    7,
    9,
    10,
    2**70,
    1.5,
    6.0,
    "6",
    "",
    [],
    [6],
    {},
    {"a": 1},
    "\x1b[2J\n",
    "\ud800",
]
NESTED = b'{"__metadata__":{"meta":"%b"}}' % (b"[" * 100_000)
Rng = random.Random


@dataclass
class Target:
    """A folder with whole checkpoints after 4 and after 6 steps, and a training that may take them up."""

    checkpoints: Checkpoints
    loop: Loop
    whole: dict[str, bytes]
    states: dict[int, bytes]

    @property
    def newest(self) -> Path:
        return self.checkpoints.folder / "step_000000006.checkpoint"

    def restore(self) -> None:
        """All files as they were."""
        for path in self.checkpoints.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, content in self.whole.items():
            (self.checkpoints.folder / name).write_bytes(content)

    def parsed(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return unpack_tensors(self.states[6])

    def write(self, content: bytes) -> None:
        """As the newest checkpoint, with a checksum that fits."""
        self.newest.write_bytes(content + hashlib.sha256(content).digest())

    def finished_by(self, sha256: bool = True, **changes: object) -> None:
        """The newest checkpoint relies on something else; sha256: with a checksum of it that fits."""
        tensors, meta = self.parsed()
        meta["finished"] |= changes
        if sha256:
            content = (self.checkpoints.folder / FINISHED).read_bytes()[: meta["finished"]["bytes"]]
            meta["finished"]["sha256"] = hashlib.sha256(content).hexdigest()
        self.write(pack_tensors(tensors, meta))


def new_loop(normalized: Path) -> Loop:
    """A training of 9 steps that has not begun."""
    params, options = gan_params(TRAINING, total_kimg=0.36, snapshot_kimg=0.1, history_steps=4)
    digits = load_image_set(normalized / "normalize" / "train.safetensors")
    return train_gan.build_loop(params, options, digits, torch.device("cpu"), Team(params.shards), [])


@pytest.fixture
def target(normalized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    trained, states = new_loop(normalized), dict[int, bytes]()
    with Checkpoints(KEY) as checkpoints:
        while trained.steps_done < 6:
            trained.step()
            if trained.steps_done in (4, 6):
                trained.settle_rows()
                assert checkpoints.save(trained.steps_done, *trained.state(), trained.journal)
        trained.journal.close()
        paths = sorted(checkpoints.folder.glob("step_*"))
        for step, path in zip((4, 6), paths, strict=True):
            states[step] = path.read_bytes()[:-DIGEST_BYTES]
        whole = {path.name: path.read_bytes() for path in checkpoints.folder.iterdir()}
    return Target(checkpoints, new_loop(normalized), whole, states)


# --- changes; each must keep the newest checkpoint from being used ---


def turn_bits(target: Target, rng: Rng) -> None:
    """Without a new checksum."""
    content = bytearray(target.newest.read_bytes())
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] ^= rng.randint(1, 255)
    content[0] ^= content == target.whole[target.newest.name]
    target.newest.write_bytes(content)


def turn_bits_of_the_header(target: Target, rng: Rng) -> None:
    """A tensor's name, dtype, shape or place, or the description: what still reads as before is left out."""
    size = 8 + int.from_bytes(target.states[6][:8], "little")
    content = bytearray(target.states[6])
    while _same(bytes(content), target.states[6]):
        content[rng.choice((rng.randrange(size), rng.randrange(8)))] = rng.randrange(256)
    target.write(bytes(content))


def _same(content: bytes, other: bytes) -> bool:
    """Whether two packed states hold the same, however it is written."""
    try:
        (tensors, meta), (others, description) = unpack_tensors(content), unpack_tensors(other)
    except (ValueError, RecursionError):
        return False
    extra = set(meta) <= set(description) | set(meta) and all(meta.get(key) == description[key] for key in description)
    return extra and tensors.keys() == others.keys() and all(torch.equal(tensors[k], others[k]) for k in tensors)


def cut_or_extend(target: Target, rng: Rng) -> None:
    content = target.states[6]
    target.write(rng.choice((content[: rng.randrange(len(content))], content + rng.randbytes(rng.randint(1, 99)))))


def write_nonsense(target: Target, rng: Rng) -> None:
    header = rng.choice((b"{}", b"[]", b"null", b"[" * 100_000, NESTED, rng.randbytes(50), b'{"a":' * 30_000))
    length = rng.choice((len(header), 0, 2**63, 2**64 - 1, len(header) + 1))
    target.write(length.to_bytes(8, "little") + header + rng.randbytes(rng.randint(0, 99)))


def change_the_description(target: Target, rng: Rng) -> None:
    tensors, meta = target.parsed()
    key, value = rng.choice(sorted(meta)), rng.choice(VALUES)
    if value == meta[key] and type(value) is type(meta[key]):
        value = None
    target.write(pack_tensors(tensors, meta | {key: value}))


def drop_from_the_description(target: Target, rng: Rng) -> None:
    tensors, meta = target.parsed()
    del meta[rng.choice(sorted(meta))]
    target.write(pack_tensors(tensors, meta))


def drop_a_tensor(target: Target, rng: Rng) -> None:
    tensors, meta = target.parsed()
    del tensors[rng.choice(sorted(tensors))]
    target.write(pack_tensors(tensors, meta))


def add_a_tensor(target: Target, rng: Rng) -> None:
    tensors, meta = target.parsed()
    names = [
        "x",
        "",
        "G.x",
        "opt_g.999.step",
        "opt_d.x.y",
        "history.rows",
        "history.",
        "snapshot.6.x",
        "\x1b[2J",
        "a\nb",
    ]
    target.write(pack_tensors(tensors | {rng.choice(names): torch.zeros(rng.randint(0, 3))}, meta))


def change_a_tensor(target: Target, rng: Rng) -> None:
    """Its dtype or shape, or one value to one that is not finite."""
    tensors, meta = target.parsed()
    name = rng.choice(sorted(name for name, tensor in tensors.items() if tensor.numel()))
    tensor = tensors[name].clone()
    kinds: list[Callable[[], Tensor]] = [
        lambda: tensor.to(torch.float64 if tensor.dtype != torch.float64 else torch.int8),
        lambda: tensor.to(torch.float16 if tensor.dtype != torch.float16 else torch.int8),
        lambda: tensor.unsqueeze(rng.randint(0, tensor.ndim)),
        lambda: torch.cat([tensor.flatten(), tensor.flatten()[:1]]),
        lambda: tensor.flatten()[:0],
    ]
    if tensor.is_floating_point():
        kinds += [lambda: tensor.index_fill(0, torch.tensor([0]), rng.choice((torch.nan, torch.inf)))] * bool(
            tensor.ndim
        )
    target.write(pack_tensors(tensors | {name: rng.choice(kinds)()}, meta))


def rename_a_tensor(target: Target, rng: Rng) -> None:
    tensors, meta = target.parsed()
    name = rng.choice(sorted(tensors))
    tensors[name + rng.choice(("x", ".", "\u202e", "\0"))] = tensors.pop(name)
    target.write(pack_tensors(tensors, meta))


def rely_on_other_bytes(target: Target, rng: Rng) -> None:
    size = len(target.whole[FINISHED])
    target.finished_by(rng.random() < 0.5, bytes=rng.choice((0, size - 1, size + 1, 2**62, -1, rng.randrange(size))))


def drop_a_finished_record(target: Target, rng: Rng) -> None:
    """From the end of what is finished, with checksums that fit."""
    path = target.checkpoints.folder / FINISHED
    records = Journal()
    records.take_up(path, target.parsed()[1]["finished"])
    names = records.names()
    dropped = rng.choice(names)
    kept = [name for name in names if name != dropped] if rng.random() < 0.5 else names[: rng.randrange(len(names))]
    again = Journal()
    for name in kept:
        again.add(name, records.read(name))
    records.close()
    tensors, meta = target.parsed()
    mark = again.write(path)
    again.close()
    target.write(pack_tensors(tensors, meta | {"finished": mark}))


def damage_what_is_finished(target: Target, rng: Rng) -> None:
    path = target.checkpoints.folder / FINISHED
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= rng.randint(1, 255)
    path.write_bytes(content[: rng.choice((len(content), rng.randrange(len(content))))])


def put_something_else(target: Target, rng: Rng) -> None:
    path = rng.choice((target.newest, target.checkpoints.folder / FINISHED))
    content = path.read_bytes()
    path.unlink()
    kind = rng.randrange(4)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(rng.choice(("nowhere", "/dev/zero", path.name)))
    elif kind == 2:
        (path.parent / "elsewhere").write_bytes(content)
        path.symlink_to("elsewhere")
    else:
        with path.open("wb") as file:
            file.truncate(2**40)


CHANGES = [
    turn_bits,
    turn_bits_of_the_header,
    cut_or_extend,
    write_nonsense,
    change_the_description,
    drop_from_the_description,
    drop_a_tensor,
    add_a_tensor,
    change_a_tensor,
    rename_a_tensor,
    rely_on_other_bytes,
    drop_a_finished_record,
    damage_what_is_finished,
    put_something_else,
]


def try_change(target: Target, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Apply the change with that number, and compare what is taken up with what may be."""
    rng = Rng(number)
    change = CHANGES[number % len(CHANGES)]
    target.restore()
    change(target, rng)
    journal = Journal()
    journal.add("picture.real.png", b"new")
    content = target.checkpoints.load(journal, target.loop.require_state, target.loop.most_bytes)
    lines = capsys.readouterr().err.splitlines()
    where = f"input {number}, {change.__name__}"
    assert len(lines) == (1 if content else 2), where
    assert all(line.startswith("passing over checkpoint ") and line.isprintable() for line in lines), where
    assert all(len(line) < 400 for line in lines), where
    if content:
        assert content == target.states[4], where
        mark = unpack_tensors(content)[1]["finished"]
        assert sum(map(len, map(journal.read, journal.names()))) < mark["bytes"], where
    else:
        assert journal.read("picture.real.png") == b"new", where
        assert journal.names() == ["picture.real.png"], where
    journal.close()


@pytest.mark.parametrize("inputs", [range(70), pytest.param(range(70, 10_000), marks=pytest.mark.slow)])
def test_no_changed_checkpoint_is_taken_up_and_none_ends_the_run(
    inputs: range, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in inputs:
        try_change(target, number, capsys)


def test_unchanged_the_newest_is_taken_up(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal()
    content = target.checkpoints.load(journal, target.loop.require_state, target.loop.most_bytes)
    assert content == target.states[6]
    assert capsys.readouterr().err == ""
    assert json.loads(json.dumps(journal.names()))[0] == "picture.real.png"
    journal.close()


def test_nothing_changes_in_a_training_that_refuses_a_state(target: Target) -> None:
    tensors, meta = target.parsed()
    before = pack_tensors(*target.loop.state())
    del tensors["ema." + next(iter(target.loop.trainer.ema.state_dict()))]
    with pytest.raises(ValueError, match=r"tensor ema\."):
        target.loop.load_state(tensors, meta)
    assert pack_tensors(*target.loop.state()) == before
