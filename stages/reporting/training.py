"""The training as charts, and its animation as frames."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from stages.common.records import Undefined
from stages.evaluation.animation import frames_shown
from stages.reporting.charts import Chart, Series
from stages.reporting.frames import frames_of
from stages.reporting.pictures import data_uri
from stages.reporting.run import Run


@dataclass(frozen=True)
class Drawn:
    """A chart, and what to look for in it."""

    chart: Chart
    caption: str


def distance_chart(run: Run, others: tuple[Series, ...] = ()) -> Drawn:
    """The distance over training, with a mark that moves with the animation."""
    table, floor = run.tables["track/track.csv"], run.curve.floor
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
    """What the training itself and its monitor recorded."""
    history, monitor, track = (
        run.tables[name] for name in ("train_gan/history.csv", "train_gan/monitor.csv", "track/track.csv")
    )
    return [
        _drawn("Coverage and accuracy", track, SHARES, "Shares of 1: variety, and samples recognised as asked."),
        _drawn("Losses", history, LOSSES, "They need not fall: each network's task gets harder as the other learns."),
        _drawn("Mean logits of D", history, LOGITS, "What D says of real and of generated images, before a sigmoid."),
        _drawn(
            "Norm of the gradients", history, GRADIENTS, "How hard each network is pulled, on a logarithmic axis.", True
        ),
        _drawn(
            "Variety of samples", monitor, VARIETY, "Against real images, which are 1: far below, it has collapsed."
        ),
    ]


SHARES = {"coverage": "coverage", "gan_test_accuracy": "recognised as asked"}
LOSSES = {"g_loss": "generator", "d_loss": "discriminator"}
LOGITS = {"fake_logits": "generated", "real_logits": "real"}
GRADIENTS = {"g_grad_norm": "generator", "d_grad_norm": "discriminator"}
VARIETY = {"spread": "spread", "nearest": "distance of neighbours"}
STYLES = ("generated", "real")


def animation(run: Run) -> list[dict[str, Any]]:
    """The frames in their order: picture, thousands of images shown, distance, and the place in the curve."""
    table = run.tables["track/track.csv"]
    pictures = frames_of(run.animation, run.samples.image_shape)
    rows = frames_shown(len(table))
    return [
        {
            "uri": data_uri(picture),
            "kimg": f"{table['kimg'].iloc[row]:g}",
            "distance": f"{table['fd_classifier'].iloc[row]:.3g}",
            "row": row,
        }
        for picture, row in zip(pictures, rows, strict=True)
    ]


def _drawn(title: str, table: pd.DataFrame, columns: dict[str, str], caption: str, is_log: bool = False) -> Drawn:
    """Those columns over kimg, the first in the colour of generated images, the second in that of real ones."""
    series = [
        _series(table, column, name, style)
        for (column, name), style in zip(columns.items(), STYLES, strict=True)
        if table[column].notna().any()
    ]
    return Drawn(Chart(title, table["kimg"].tolist(), series, is_log=is_log), caption)


def _series(table: pd.DataFrame, column: str, name: str, style: str) -> Series:
    return Series(name, style, table[column].astype(float).tolist())
