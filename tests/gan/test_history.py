"""The table of a training's course."""

import io
from typing import Any

import pandas as pd
import pytest
import torch

from stages.gan.history import History
from stages.gan.settings import Settings
from stages.gan.trainer import FIGURES
from tests.gan_params import gan_params


def settings(**changes: Any) -> Settings:
    return gan_params(**changes)[0]


def figures(step: int) -> torch.Tensor:
    """Every figure another, linear in the step."""
    return torch.arange(1.0, len(FIGURES) + 1) * (step + 1)


def table(history: History) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(history.csv()))


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
    state = stopped.state()
    assert state["history.rows"].shape == (done // 3, 1 + len(FIGURES))
    resumed.load_state(state, torch.device("cpu"))
    for step in range(done, 9):
        resumed.add(step, figures(step))
    assert resumed.csv() == undisturbed.csv()


def test_six_digits_and_plain_line_ends() -> None:
    history = History(settings(history_steps=1, batch_size=128))
    history.add(0, torch.full((len(FIGURES),), 1 / 3))
    assert history.csv() == f"kimg,{','.join(FIGURES)}\n0.128{',0.333333' * len(FIGURES)}\n"
