"""A checkpoint is either whole or absent, even if a write is cut short or a file is damaged."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.gan.checkpoints import DIGEST_BYTES, Checkpoints
from stages.gan.journal import Journal
from tests.gan.broken_off import BreakingOffError, Files, finished, steps, stored


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def flip_a_bit_of_the_checksum(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 128
    path.write_bytes(content)


def write_something_else(path: Path) -> None:
    """With a checksum that fits."""
    for content in (b"{}" * 100, bytes(1000), b'\x1c\0\0\0\0\0\0\0{"__metadata__":{"meta":"1"}}'):
        path.write_bytes(content + hashlib.sha256(content).digest())
        with pytest.raises(ValueError, match=r"safetensors|another run"):
            Checkpoints("k")._verified(path, Journal(), accept, 10**6)


def accept(*_: object) -> None:
    """Any state will do."""


def bring_a_foreign_one(path: Path) -> None:
    """A whole checkpoint of another run."""
    with Checkpoints("f" * 64) as other:
        other.save(6, {"G.weight": torch.zeros(3)}, {"steps_done": 6}, Journal())
        shutil.copy(other.folder / path.name, path)


OTHER_DAMAGES = (empty, flip_a_bit, flip_a_bit_of_the_checksum, write_something_else)
DAMAGES = [
    truncate,
    bring_a_foreign_one,
    *(pytest.param(damage, marks=pytest.mark.slow) for damage in OTHER_DAMAGES),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_reported_and_the_one_before_is_used(
    damage: Callable[[Path], None],
    undisturbed: Files,
    broken_off: Callable[..., list[Path]],
    run_data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = broken_off(7)[-1]
    damage(newest)
    assert finished(run_data) == undisturbed
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"passing over checkpoint {newest.relative_to(run_data.parent)}: ")
    assert "resuming from the checkpoint at 0.16 kimg" in said.out


def test_without_a_whole_checkpoint_a_run_begins_again(
    undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in broken_off(7):
        flip_a_bit(path)
    assert finished(run_data) == undisturbed
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 2
    assert "going on" not in said.out


def test_a_single_bit_is_noticed_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints:
        checkpoints.save(1, {"weight": torch.ones(2)}, {"steps_done": 1}, Journal())
        (path,) = stored(tmp_path)
        whole = path.read_bytes()
        assert checkpoints.load(Journal(), accept, 10**6) == whole[:-DIGEST_BYTES]
        for bit in range(0, 8 * len(whole), 3):
            content = bytearray(whole)
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            with pytest.raises(ValueError, match="checksum"):
                checkpoints._verified(path, Journal(), accept, 10**6)


def test_what_ends_a_write_leaves_the_checkpoints_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state: tuple[dict[str, torch.Tensor], dict[str, Any], Journal]
    state = ({"weight": torch.ones(2)}, {"steps_done": 1}, Journal())
    with Checkpoints("k" * 64) as checkpoints:
        checkpoints.save(1, *state)
        before = {path.name: path.read_bytes() for path in checkpoints.folder.iterdir()}
        for name in ("fsync", "replace"):
            with monkeypatch.context() as patch:
                patch.setattr(os, name, stop_writing)
                patch.setattr(Path, name, stop_writing, raising=False)
                with pytest.raises(BreakingOffError):
                    checkpoints.save(2, *state)
            assert {path.name: path.read_bytes() for path in checkpoints.folder.iterdir()} == before


def stop_writing(*_: object) -> None:
    raise BreakingOffError


def test_half_a_file_that_sigkill_left_is_no_checkpoint(
    undisturbed: Files, broken_off: Callable[..., list[Path]], run_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = broken_off(7)[-1]
    newest.with_name("step_000000008.checkpoint.partial").write_bytes(newest.read_bytes()[:5000])
    assert finished(run_data) == undisturbed
    said = capsys.readouterr()
    assert said.err == ""
    assert "at 0.24 kimg" in said.out
    assert not list((run_data.parent / ".checkpoints").iterdir())


def test_the_newest_and_its_predecessor_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints:
        kept = []
        for step in (1, 2, 3, 10, 11):
            checkpoints.save(step, {"weight": torch.ones(2)}, {"steps_done": step}, Journal())
            kept.append(steps(stored(tmp_path)))
    assert kept == [[1], [1, 2], [2, 3], [3, 10], [10, 11]]


def test_a_damaged_one_takes_no_place_from_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another interval the run may write checkpoints of steps before that of the damaged one."""
    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints:
        for step in (4, 8):
            checkpoints.save(step, {"weight": torch.ones(2)}, {"steps_done": step}, Journal())
        flip_a_bit(stored(tmp_path)[-1])
        checkpoints.save(5, {"weight": torch.ones(2)}, {"steps_done": 5}, Journal())
    assert steps(stored(tmp_path)) == [4, 5]


def test_a_folder_that_cannot_be_listed_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.chdir(tmp_path)
    with Checkpoints("k" * 64) as checkpoints, monkeypatch.context() as unlisted:
        unlisted.setattr(Path, "iterdir", refuse)
        for step in (1, 2, 3):
            assert checkpoints.save(step, {"weight": torch.ones(2)}, {"steps_done": step}, Journal())
    assert steps(stored(tmp_path)) == [1, 2, 3]


def test_what_waits_is_written_when_it_is_much_and_tried_again_when_as_much_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after every step: each attempt writes all that waits until the disk is full."""
    attempts: list[int] = []

    def fail(journal: Journal, _: Path) -> None:
        attempts.append(journal.waiting_bytes)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stages.gan.checkpoints.WAITING_BYTES", 25)
    journal = Journal()
    with Checkpoints("k" * 64) as checkpoints:
        with monkeypatch.context() as full:
            full.setattr(Journal, "write", fail)
            for number in range(8):
                journal.add(f"snapshot.{number}", bytes(10))
                checkpoints.write_finished(journal)
        assert attempts == [30, 60]
        checkpoints.save(8, {"weight": torch.ones(2)}, {"steps_done": 8}, journal)
        assert journal.waiting_bytes == 0
        for number in range(8, 11):
            journal.add(f"snapshot.{number}", bytes(10))
            checkpoints.write_finished(journal)
        assert journal.waiting_bytes == 0
        journal.close()
