"""The table of a training's course."""

import io
from typing import Any

import pandas as pd
import pytest
import torch

from stages.common.files import csv_text
from stages.gan.history import History, csv_header
from stages.gan.settings import Settings
from stages.gan.trainer import FIGURES
from tests.gan_params import gan_params


def settings(**changes: Any) -> Settings:
    return gan_params(**changes)[0]


def figures(step: int) -> torch.Tensor:
    """Every figure another, linear in the step."""
    return torch.arange(1.0, len(FIGURES) + 1) * (step + 1)


def table(history: History) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(csv_header() + history.take_lines()))


@pytest.mark.parametrize(("steps", "rows"), [(0, 0), (2, 0), (3, 1), (6, 2), (8, 2)])
def test_a_row_is_the_mean_of_its_steps_at_the_kimg_of_the_last(steps: int, rows: int) -> None:
    history = History(settings(history_steps=3, batch_size=500))
    for step in range(steps):
        history.add(step, figures(step))
    found = table(history)
    assert list(found.columns) == ["kimg", *FIGURES]
    assert found["kimg"].tolist() == [1.5, 3.0][:rows]
    for number, name in enumerate(FIGURES, start=1):
        assert found[name].tolist() == [2.0 * number, 5.0 * number][:rows]


@pytest.mark.parametrize("done", [0, 2, 3, 7])
def test_it_continues_from_its_state_to_the_same_table(done: int) -> None:
    """Before the first row, between rows, at the end of one, and with several rows behind it."""
    undisturbed, stopped, resumed = (History(settings(history_steps=3, batch_size=500)) for _ in range(3))
    for step in range(9):
        undisturbed.add(step, figures(step))
    for step in range(done):
        stopped.add(step, figures(step))
    before, state = stopped.take_lines(), stopped.state()
    assert before.count("\n") == done // 3
    assert state["history.waiting"].shape == (done % 3, len(FIGURES))
    resumed.load_state(state, torch.device("cpu"))
    for step in range(done, 9):
        resumed.add(step, figures(step))
    assert before + resumed.take_lines() == undisturbed.take_lines()


def test_lines_are_those_of_the_whole_table_however_they_are_taken() -> None:
    whole, pieces = (
        History(settings(history_steps=1, batch_size=500)),
        History(settings(history_steps=1, batch_size=500)),
    )
    lines = ""
    for step in range(30):
        values = torch.randn(len(FIGURES), generator=torch.Generator().manual_seed(step)) * 10.0 ** (step - 15)
        for history in (whole, pieces):
            history.add(step, values)
        if step % 7 == 0:
            lines += pieces.take_lines()
    table = pd.DataFrame(whole.rows, columns=["kimg", *FIGURES])
    assert csv_header() + lines + pieces.take_lines() == csv_text(table)
    assert pieces.take_lines() == ""


def test_six_digits_and_plain_line_ends() -> None:
    history = History(settings(history_steps=1, batch_size=128))
    history.add(0, torch.full((len(FIGURES),), 1 / 3))
    assert csv_header() + history.take_lines() == f"kimg,{','.join(FIGURES)}\n0.128{',0.333333' * len(FIGURES)}\n"
