"""The times of snapshots, noted by the stage itself."""

from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.gan import loop
from stages.gan.finite import NotFiniteError
from tests.gan_params import gan_content
from tools.clone import ROOT, user_environment
from tools.profiles import TRAINING
from tools.record import worker
from tools.record.clock import read_times, train


def test_seconds_count_from_the_start_of_the_process() -> None:
    assert read_times(["25 1003.5", "50 1010.0"], begun=1000.0) == {25: 3.5, 50: 10.0}


def test_a_training_that_goes_wrong_leaves_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> None:
        raise NotFiniteError("G's loss")

    monkeypatch.setenv(worker.VARIABLE, str(tmp_path / "times.txt"))
    monkeypatch.setattr(worker, "RUN", run)
    with pytest.raises(NotFiniteError):
        worker.run(loop.Loop.__new__(loop.Loop))
    assert (tmp_path / "times.txt").read_text(encoding="ascii") == f"{worker.WENT_WRONG}\n"


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
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_training_that_goes_wrong_for_real(processes: str, folder: Path) -> None:
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(gan_content(TRAINING, penalties={"r1": 1e300}), file)
    assert train(folder, environment(folder) | {"GAN_PROCESSES": processes}).went_wrong


@pytest.mark.slow
def test_a_training_that_fails_is_reported(folder: Path) -> None:
    (folder / "data" / "normalize").unlink()
    with pytest.raises(UserError, match="train_gan failed"):
        train(folder, environment(folder))
