"""The trainings that fail on purpose, as one picture: `python -m tools.lessons` writes docs/lessons.png.

Each recipe is trained in a clean clone of the committed state, as `dvc exp run` does, a few minutes each; beside its
curves are those of the default run in data/, as far as the lesson goes.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from stages.common.errors import UserError
from stages.common.files import write_bytes
from stages.evaluation.drawing import Axes, new_figure, png_of
from tools.failures import errors_in_one_line, take_no_arguments
from tools.fresh import interruptible, run_dvc
from tools.gans.run import RECIPES
from tools.record.recipe import read_recipe
from tools.repeat import clone_of_head
from tools.repository import find_project, git

LESSONS = ("no_regulariser", "d_too_strong", "rate_too_high")
PICTURE = Path("docs/lessons.png")
HISTORY, GRID = Path("data/train_gan/history.csv"), Path("data/train_gan/samples/final.png")
CURVES = {"d_loss": "loss of D", "g_grad_norm": "norm of G's gradient"}


@dataclass(frozen=True)
class Lesson:
    """What a training left: the rows of its history, and its last grid of samples, levels uint8 [H, W]."""

    name: str
    history: pd.DataFrame
    samples: npt.NDArray[np.uint8]


def trained(clone: Path, name: str) -> Lesson:
    """Train that recipe in the clone, in which earlier ones may have left theirs. Raises UserError if that fails."""
    git(clone, "checkout", "--quiet", "--force", "HEAD", throw_away=True)
    changes = [f"--set-param={setting}" for setting in read_recipe(clone / RECIPES / f"{name}.txt")]
    if code := run_dvc(clone, "exp", "run", "--quiet", *changes, "train_gan"):
        raise UserError(f"{name}: dvc exp run failed (exit code {code}); see its message above")
    return read_lesson(clone, name)


def read_lesson(folder: Path, name: str) -> Lesson:
    """What a training has left in that folder."""
    with Image.open(io.BytesIO((folder / GRID).read_bytes())) as image:
        samples = np.asarray(image.convert("L"))
    return Lesson(name, pd.read_csv(folder / HISTORY), samples)


def picture(lessons: list[Lesson], default: pd.DataFrame) -> bytes:
    """A row for each lesson: its last samples, then each curve beside the default's. As PNG."""
    figure = new_figure(11, 3.1 * len(lessons))
    axes = figure.subplots(len(lessons), 1 + len(CURVES), squeeze=False, width_ratios=[1, *[1.3] * len(CURVES)])
    for lesson, row in zip(lessons, axes, strict=True):
        row[0].imshow(lesson.samples, cmap="gray", vmin=0, vmax=255)
        row[0].set_axis_off()
        row[0].set_title(lesson.name)
        for column, axis in zip(CURVES, row[1:], strict=True):
            draw_curve(axis, column, lesson, default)
    axes[0, 1].legend()
    return png_of(figure)


def draw_curve(axis: Axes, column: str, lesson: Lesson, default: pd.DataFrame) -> None:
    """A column of both histories, on a logarithmic scale: what vanishes and what explodes are both to be seen."""
    until = lesson.history["kimg"].max()
    for label, history, colour in (("this lesson", lesson.history, "#c1440e"), ("default run", default, "#888888")):
        rows = history[history["kimg"] <= until]
        axis.plot(rows["kimg"], rows[column], color=colour, label=label)
    axis.set_yscale("log")
    axis.set_title(CURVES[column])
    axis.set_xlabel("kimg")


def draw(root: Path) -> None:
    """Train all lessons and write the picture. Raises UserError."""
    if not (root / HISTORY).is_file():
        raise UserError(f"{HISTORY} of the default run is missing; `dvc repro train_gan` writes it")
    with clone_of_head(root) as clone:
        lessons = [trained(clone, name) for name in LESSONS]
    write_bytes(root / PICTURE, picture(lessons, pd.read_csv(root / HISTORY)))


def main() -> None:
    """Draw it."""
    take_no_arguments("tools.lessons", __doc__)
    with interruptible(), errors_in_one_line("lessons"):
        draw(find_project(Path()))


if __name__ == "__main__":
    main()
