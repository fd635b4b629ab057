"""The times of snapshots, noted by the stage itself."""

from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.errors import UserError
from tests.gan_params import gan_content
from tools.clone import ROOT, user_environment
from tools.profiles import TRAINING
from tools.record.clock import read_times, train


def test_seconds_count_from_the_start_of_the_process() -> None:
    assert read_times("25 1003.5\n50 1010.0\n", begun=1000.0) == {25: 3.5, 50: 10.0}


def environment(folder: Path) -> dict[str, str]:
    return user_environment(folder) | {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def folder(normalized: Path, tmp_path: Path) -> Path:
    """A short training."""
    content = gan_content(TRAINING)
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "normalize").symlink_to(normalized / "normalize")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_training_for_real(processes: str, folder: Path) -> None:
    """2.44 kimg with a snapshot every 1 kimg, 25 steps of 40 images: in order, and all before the end."""
    times = train(folder, environment(folder) | {"GAN_PROCESSES": processes})
    assert list(times.snapshots) == [25, 50]
    seconds = [0, *times.snapshots.values(), times.end]
    assert all(earlier < later for earlier, later in pairwise(seconds))
    assert (folder / "data" / "train_gan" / "snapshots.safetensors").is_file()


@pytest.mark.slow
def test_a_training_that_fails_is_reported(folder: Path) -> None:
    (folder / "data" / "normalize").unlink()
    with pytest.raises(UserError, match="train_gan failed"):
        train(folder, environment(folder))
