"""The times of snapshots, read from a growing journal."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.gan.journal import Journal
from tests.gan_params import gan_content
from tools.clone import ROOT, user_environment
from tools.profiles import TRAINING
from tools.record.clock import JournalWatch, Times, train


def test_a_snapshot_counts_when_it_is_complete(tmp_path: Path) -> None:
    """A file of two pictures and two snapshots is copied a few bytes at a time."""
    journal = Journal()
    for name in ("picture.real.png", "snapshot.25", "picture.epoch_0001.png", "snapshot.50"):
        journal.add(name, name.encode() * 100)
    journal.write(tmp_path / "whole")
    journal.close()
    content = (tmp_path / "whole").read_bytes()
    ends = [content.index(f"{name} ".encode()) for name in ("picture.epoch_0001.png", "snapshot.50")]
    watch, growing, seen = JournalWatch(tmp_path / "growing"), tmp_path / "growing", dict[int, int]()
    assert watch.new_snapshots() == []  # there is no file yet
    for size in range(0, len(content) + 1, 7):
        growing.write_bytes(content[:size])
        seen |= dict.fromkeys(watch.new_snapshots(), size)
    growing.write_bytes(content)
    seen |= dict.fromkeys(watch.new_snapshots(), len(content))
    assert list(seen) == [25, 50]
    assert ends[0] <= seen[25] < ends[0] + 7
    assert seen[50] == len(content)
    assert watch.new_snapshots() == []


def test_a_snapshot_between_the_last_look_and_the_end_counts_as_the_end() -> None:
    times = Times({10: 4.0}, 9.0)
    assert (times.until(10), times.until(20)) == (4.0, 9.0)


@pytest.fixture
def folder(normalized: Path, tmp_path: Path) -> Path:
    """A short training."""
    content = gan_content(TRAINING)
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "normalize").symlink_to(normalized / "normalize")
    return tmp_path


def test_a_training_for_real(folder: Path) -> None:
    """4.84 kimg with a snapshot every 1 kimg, 25 steps of 40 images: in order, and all before the end."""
    environment = user_environment(folder) | {"PYTHONPATH": str(ROOT), "GAN_PROCESSES": "1"}
    times = train(folder, environment)
    assert set(times.snapshots) <= {25, 50, 75, 100}
    assert 25 in times.snapshots
    assert list(times.snapshots) == sorted(times.snapshots)
    seconds = [times.until(steps) for steps in (25, 50, 75, 100)]
    assert 0 < seconds[0] <= seconds[1] <= seconds[2] <= seconds[3] <= times.end
    assert (folder / "data" / "train_gan" / "snapshots.safetensors").is_file()


@pytest.mark.slow
def test_a_training_that_fails_is_reported(folder: Path) -> None:
    (folder / "data" / "normalize").unlink()
    with pytest.raises(UserError, match="train_gan failed"):
        train(folder, user_environment(folder) | {"PYTHONPATH": str(ROOT)})
