"""The picture of the trainings that fail on purpose: what it draws is what the trainings left."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.files import write_bytes
from stages.evaluation.drawing import new_figure
from tests.test_lessons import LESSONS
from tools import lessons
from tools.lessons import Lesson

DEFAULT = pd.DataFrame({"kimg": [1.0, 2.0, 3.0], "d_loss": [1.4, 1.3, 1.36], "g_grad_norm": [7.0, 2.0, 3.0]})
FAILED = pd.DataFrame({"kimg": [1.0, 2.0], "d_loss": [1.0, 1e-4], "g_grad_norm": [5.0, 0.04]})
NOISE = np.arange(400, dtype=np.uint8).reshape(20, 20)


def test_the_lessons_are_those_that_the_monitor_names() -> None:
    assert sorted(lessons.LESSONS) == sorted(LESSONS)


def test_curves_are_those_of_the_histories_up_to_the_lesson_s_end() -> None:
    axis = new_figure(4, 3).subplots()
    lessons.draw_curve(axis, "d_loss", Lesson("saturated", FAILED, NOISE), DEFAULT)
    assert [np.asarray(line.get_ydata()).tolist() for line in axis.lines] == [[1.0, 1e-4], [1.4, 1.3]]
    assert axis.get_yscale() == "log"


def test_a_lesson_is_read_from_what_a_training_leaves(tmp_path: Path) -> None:
    (tmp_path / lessons.GRID).parent.mkdir(parents=True)
    FAILED.to_csv(tmp_path / lessons.HISTORY, index=False)
    Image.fromarray(NOISE).save(tmp_path / lessons.GRID)
    lesson = lessons.read_lesson(tmp_path, "saturated")
    assert (lesson.samples == NOISE).all()
    assert lesson.history.equals(FAILED)


def test_a_picture_shows_other_samples_otherwise_and_has_the_same_bytes_again(tmp_path: Path) -> None:
    drawn = [lessons.picture([Lesson("a", FAILED, samples)], DEFAULT) for samples in (NOISE, NOISE, 255 - NOISE)]
    assert drawn[0] == drawn[1] != drawn[2]
    write_bytes(tmp_path / "lessons.png", drawn[0])
    with Image.open(tmp_path / "lessons.png") as image:
        assert image.width > 800
