"""The recipes that fail on purpose, trained on real digits: the monitor names what is wrong.

That it is silent where nothing is, the committed looks at the default run say: so few digits and steps as here leave
any training with samples that are too much alike.
"""

import csv
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import train_gan
from stages.common.params import read_params_file, validate_section
from stages.gan import architectures
from tools.record.recipe import apply, read_recipe

ROOT = Path(__file__).parents[1]
SHORTER = [
    "networks.dcgan.width=16",
    "train_gan.total_kimg=16",
    "train_gan.snapshot_kimg=2",
    "train_gan.ema_halflife_kimg=1",
    "train_gan.device=cpu",
]
LESSONS = {"d_too_strong": "d_saturated", "no_regulariser": "collapse", "rate_too_high": "collapse"}
"""A sign that each must show in its last look."""


@pytest.fixture
def folder(normalized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the committed params and the digits."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "normalize").symlink_to(normalized / "normalize")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)


def signs(folder: Path, settings: list[str]) -> list[str]:
    """Train with these settings, and return what the looks saw, in order."""
    apply([*settings, *SHORTER], folder / "params.yaml")
    params: dict[str, Any] = read_params_file(folder / "params.yaml")
    chosen = validate_section(params, "train_gan", train_gan.Params)
    train_gan.run(chosen, architectures.read_options(params, chosen.network), folder / "data")
    with (folder / "data" / "train_gan" / "monitor.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["signs"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_shows_its_sign(lesson: str, folder: Path) -> None:
    assert LESSONS[lesson] in signs(folder, read_recipe(ROOT / "recipes" / f"{lesson}.txt"))[-1].split()


def test_the_default_run_raised_no_alarm() -> None:
    """Of its committed looks, one for each snapshot."""
    with (ROOT / "data" / "train_gan" / "monitor.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    training = read_params_file(ROOT / "params.yaml")["train_gan"]
    assert len(rows) == training["total_kimg"] / training["snapshot_kimg"]
    assert not any(row["signs"] for row in rows)
