"""Runs of train_gan that break off between two steps, for the tests of checkpoints."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import train_gan
from stages.gan.loop import Loop
from tests.gan_params import gan_params
from tools.profiles import TRAINING

STEPS, INTERVAL = 9, 2
Files = dict[str, bytes]


def run(run_data: Path, **changes: Any) -> None:
    """9 steps of 40 digits; with INTERVAL, checkpoints after 2, 4, 6 and 8."""
    train_gan.run(*gan_params(TRAINING, **{"total_kimg": 0.36, "snapshot_kimg": 0.1} | changes), run_data)


@pytest.fixture
def run_data(tmp_path: Path, normalized: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder with the digits in a working folder that takes the checkpoints."""
    folder = tmp_path / "data"
    shutil.copytree(normalized / "normalize", folder / "normalize")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("GAN_CHECKPOINT_KIMG", str(INTERVAL * 0.04))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield folder
    for number, handler in handlers.items():
        signal.signal(number, handler)


class BreakingOffError(Exception):
    """Represents a process that ends between two steps."""


@pytest.fixture
def broken_off(run_data: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """Runs the stage up to some step, as if it then ended; gives its checkpoints, the oldest first."""
    step = Loop.step

    def break_off(after: int, **changes: Any) -> list[Path]:
        def limited(loop: Loop) -> None:
            if loop.steps_done == after:
                raise BreakingOffError
            step(loop)

        with monkeypatch.context() as patch:
            patch.setattr(Loop, "step", limited)
            with pytest.raises(BreakingOffError):
                run(run_data, **changes)
        return stored(run_data.parent)

    return break_off


def stored(root: Path) -> list[Path]:
    return sorted((root / ".checkpoints").glob("*/step_*.checkpoint"))


def steps(paths: list[Path]) -> list[int]:
    return [int(path.stem.removeprefix("step_")) for path in paths]


def finished(run_data: Path, **changes: Any) -> Files:
    run(run_data, **changes)
    folder = run_data / "train_gan"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


UNDISTURBED: Files = {}
"""Computed once: it is the same in every test."""


@pytest.fixture
def undisturbed(run_data: Path) -> Files:
    """The files of an undisturbed run."""
    if not UNDISTURBED:
        UNDISTURBED.update(finished(run_data))
        shutil.rmtree(run_data / "train_gan")
    return UNDISTURBED
