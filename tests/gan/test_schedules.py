"""What changes in the course of a training, by hand at its first step, in the middle and after it."""

import math
from typing import Any

import pytest

from stages.gan import schedules
from stages.gan.settings import Settings
from tests.gan.test_trainer import SETTINGS

NONE = {"kimg": 0.0, "lr": 4.0, "penalty": 10.0, "ema_halflife": 0.5}


def settings(**changes: Any) -> Settings:
    """Of 100 steps of 10 images: a step shows 0.01 kimg."""
    short = {"batch_size": 10, "shards": 1, "d_steps": 1, "total_kimg": 1.0, "ema_halflife_kimg": 0.2, "lr_decay": 0.1}
    return Settings.model_validate(SETTINGS | short | {"burn_in": NONE} | changes)


@pytest.mark.parametrize(("step", "linear"), [(0, 1.0), (50, 0.55), (100, 0.1)])
def test_without_a_burn_in_the_rate_falls_linearly_and_nothing_else_changes(step: int, linear: float) -> None:
    made = settings()
    assert schedules.learning_rate_factor(made, step) == pytest.approx(linear)
    assert schedules.penalty_factor(made, step) == 1
    assert schedules.ema_halflife_kimg(made, step) == 0.2


def test_a_burn_in_goes_from_its_factor_to_1_on_half_a_cosine() -> None:
    """A quarter, half and all of 40 steps, and after them."""
    made = settings(burn_in=NONE | {"kimg": 0.4}, lr_decay=1.0)
    quarter = (1 + math.sqrt(0.5)) / 2
    for step, share in ((0, 1), (10, quarter), (20, 0.5), (40, 0), (70, 0)):
        assert schedules.learning_rate_factor(made, step) == pytest.approx(1 + 3 * share)
        assert schedules.penalty_factor(made, step) == pytest.approx(1 + 9 * share)
        assert schedules.ema_halflife_kimg(made, step) == pytest.approx(0.2 * (1 - 0.5 * share))


def test_the_burn_in_of_the_rate_multiplies_its_linear_fall() -> None:
    made = settings(burn_in=NONE | {"kimg": 0.4})
    assert schedules.learning_rate_factor(made, 20) == pytest.approx(2.5 * (1 - 0.9 * 0.2))


def test_a_burn_in_counts_images_not_steps() -> None:
    """Two steps of D a step: twice the images, so half the steps."""
    made = settings(burn_in=NONE | {"kimg": 0.4}, d_steps=2)
    assert schedules.penalty_factor(made, 10) == pytest.approx(5.5)


def test_instance_noise_falls_linearly_to_0_at_its_part_of_the_training() -> None:
    made = settings(instance_noise={"std": 0.8, "until": 0.5})
    levels = [schedules.noise_std(made, step) for step in (0, 25, 50, 75)]
    assert levels == pytest.approx([0.8, 0.4, 0, 0])
    assert levels[2:] == [0, 0]  # exactly, so that nothing is drawn
    assert schedules.noise_std(settings(instance_noise={"std": 0.0, "until": 0.5}), 0) == 0
