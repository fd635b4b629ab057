"""The training as charts, and its animation as frames."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.records import Undefined
from stages.evaluation.animation import frames_shown
from stages.reporting.charts import Chart, Series
from stages.reporting.frames import frames_of
from stages.reporting.pictures import data_uri
from stages.reporting.run import ANIMATION, HISTORY, MONITOR, TRACK, Run


@dataclass(frozen=True)
class Drawn:
    """A chart, and what to look for in it."""

    chart: Chart
    caption: str


def distance_chart(run: Run, others: tuple[Series, ...] = ()) -> Drawn:
    """The distance over training, with a mark that moves with the animation."""
    table, floor = run.tables[TRACK], run.curve.floor
    level = None if isinstance(floor, Undefined) else ("other real images", floor.fd_classifier)
    chart = Chart(
        "Distance to validation images over training",
        table["kimg"].tolist(),
        [_series(table, "fd_classifier", "samples", "generated"), *others],
        level=level,
        is_log=True,
        moving=not others,
    )
    return Drawn(chart, run.curve.in_plain_words)


def curves(run: Run) -> list[Drawn]:
    """What was measured over the training, and what the training itself and its monitor recorded."""
    return [drawn(run, curve) for curve in CURVES]


@dataclass(frozen=True)
class Curve:
    """Columns of a table over kimg, with their names and colours; caption: what to look for."""

    title: str
    table: str
    columns: tuple[tuple[str, str, str], ...]
    caption: str
    is_log: bool = False


CURVES = (
    Curve(
        "Coverage and accuracy",
        TRACK,
        (("coverage", "coverage", "generated"), ("gan_test_accuracy", "recognised as asked", "real")),
        "Shares of 1: variety, and samples recognised as asked.",
    ),
    Curve(
        "Losses",
        HISTORY,
        (("g_loss", "generator", "generated"), ("d_loss", "discriminator", "real")),
        "They need not fall: each network's task gets harder as the other learns.",
    ),
    Curve(
        "Mean logits of D",
        HISTORY,
        (("fake_logits", "generated", "generated"), ("real_logits", "real", "real")),
        "What D says of real and of generated images, before a sigmoid.",
    ),
    Curve(
        "Norm of the gradients",
        HISTORY,
        (("g_grad_norm", "generator", "generated"), ("d_grad_norm", "discriminator", "real")),
        "How hard each network is pulled.",
        is_log=True,
    ),
    Curve(
        "Penalty on D",
        HISTORY,
        (("penalty", "discriminator", "real"),),
        "What D pays for being steep; 0 where nothing is penalised.",
    ),
    Curve(
        "Variety of samples",
        MONITOR,
        (("spread", "spread", "generated"), ("nearest", "distance of neighbours", "real")),
        "As a ratio to real images: far below 1, the samples have collapsed.",
    ),
)


def drawn(run: Run, curve: Curve) -> Drawn:
    """A curve of the run, without the columns that have no value."""
    table = run.tables[curve.table]
    series = [
        _series(table, column, name, style) for column, name, style in curve.columns if table[column].notna().any()
    ]
    return Drawn(Chart(curve.title, table["kimg"].tolist(), series, is_log=curve.is_log), curve.caption)


def animation(run: Run) -> list[dict[str, Any]]:
    """The frames in their order: picture, thousands of images shown, distance, and the place in the curve.

    Raises UserError if there is no animation in the file, or one that has not as many frames as the table has moments.
    """
    table = run.tables[TRACK]
    try:
        pictures = frames_of(run.animation, run.samples.image_shape)
    except ValueError as error:
        path = Path("data") / ANIMATION
        raise UserError(f"{path} is no animation of the training ({error}); {remedy(path)}") from None
    rows = frames_shown(len(table))
    if len(pictures) != len(rows):
        path = Path("data") / TRACK
        raise UserError(f"{path}: expected rows for {len(pictures)} frames, found {len(rows)}; {remedy(path)}")
    return [
        {
            "uri": data_uri(picture),
            "kimg": f"{table['kimg'].iloc[row]:g}",
            "distance": f"{table['fd_classifier'].iloc[row]:.3g}",
            "row": row,
        }
        for picture, row in zip(pictures, rows, strict=True)
    ]


def _series(table: pd.DataFrame, column: str, name: str, style: str) -> Series:
    return Series(name, style, table[column].astype(float).tolist())
