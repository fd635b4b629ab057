"""When a sign of a training gone wrong is seen, and what is said of it."""

import dataclasses
import math

import pytest
import torch

from stages.gan.monitor import Reading
from stages.gan.signs import LOOKS, SIGNS, STATE, STATE_LENGTH, Look, Watch, csv_header

GOOD = Reading(
    kimg=32,
    d_slope=0.4,
    g_slope=0.1,
    spread=0.9,
    nearest=0.95,
    sharpness=0.9,
    weakest_class=0.7,
    memorised=0.1,
    memorised_z=2.0,
)
WRONG: dict[str, dict[str, float]] = {
    "d_saturated": {"d_slope": 0.001},
    "g_gradient_gone": {"g_slope": 1e-6},
    "collapse": {"nearest": 0.1},
    "class_lost": {"weakest_class": 0.0},
    "memorising": {"memorised": 0.9, "memorised_z": 20.0},
}


def looks(*readings: Reading) -> list[Look]:
    watch = without_a_monitor()
    return [watch.take(reading) for reading in readings]


def without_a_monitor() -> Watch:
    """One that is only given readings."""
    return Watch(monitor=None)  # type: ignore[arg-type]


def test_every_sign_has_a_case_here() -> None:
    assert WRONG.keys() == SIGNS.keys()


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_is_seen_after_so_many_looks_in_a_row_and_is_new_once(name: str) -> None:
    wrong = dataclasses.replace(GOOD, **WRONG[name])
    seen = looks(GOOD, *[wrong] * (LOOKS + 1))
    assert [look.signs for look in seen] == [[]] * LOOKS + [[name]] * 2
    assert [look.new for look in seen] == [[]] * LOOKS + [[name], []]
    (line,) = seen[-1].described()
    assert line.startswith(f"{name} at 32 kimg: ")
    assert SIGNS[name].help in line


@pytest.mark.parametrize("name", SIGNS)
def test_a_good_look_between_begins_the_count_anew(name: str) -> None:
    wrong = dataclasses.replace(GOOD, **WRONG[name])
    assert not any(look.signs for look in looks(*[wrong] * (LOOKS - 1), GOOD, *[wrong] * (LOOKS - 1)))


def test_blurred_images_that_get_sharper_are_no_collapse_and_no_lost_class() -> None:
    growing = [
        dataclasses.replace(GOOD, spread=x, nearest=x, sharpness=x, weakest_class=0.0)
        for x in (0.05, 0.15, 0.25, 0.35, 0.45)
    ]
    assert not any(look.signs for look in looks(*growing))
    assert looks(*[growing[0]] * (LOOKS + 1))[-1].signs == ["collapse"]


def test_what_falls_back_is_a_collapse() -> None:
    fallen = [dataclasses.replace(GOOD, nearest=x) for x in (0.9, 0.7, 0.75, 0.7)]
    assert [look.signs for look in looks(*fallen)] == [[], [], [], ["collapse"]]


def test_sharp_images_that_are_alike_are_a_collapse_though_they_get_better() -> None:
    """As a training without a penalty swings its way up: what it draws in a look are few digits, but digits."""
    rising = [dataclasses.replace(GOOD, spread=x / 2, nearest=x) for x in (0.5, 0.55, 0.6, 0.65)]
    assert looks(*rising)[-1].signs == ["collapse"]
    assert not looks(*[dataclasses.replace(reading, sharpness=0.5) for reading in rising])[-1].signs


def test_what_cannot_be_seen_is_no_sign() -> None:
    blind = Reading(1.0, *[math.nan] * 8)
    assert not any(look.signs for look in looks(*[blind] * 5))


def test_a_knowing_d_is_no_sign_where_chance_explains_it() -> None:
    assert not looks(*[dataclasses.replace(GOOD, memorised=0.9, memorised_z=1.0)] * 5)[-1].signs


def test_a_watch_continues_from_its_state() -> None:
    wrong = dataclasses.replace(GOOD, nearest=0.1)
    first, second = without_a_monitor(), without_a_monitor()
    for _ in range(LOOKS):
        first.take(wrong)
    state = first.state()
    assert state[STATE].shape == (STATE_LENGTH,)
    assert state[STATE].isfinite().all()
    second.load_state({name: tensor.clone() for name, tensor in state.items()})
    assert second.take(wrong) == first.take(wrong)
    assert torch.equal(second.state()[STATE], first.state()[STATE])


def test_the_table_gives_back_the_look() -> None:
    look = looks(*[dataclasses.replace(GOOD, nearest=0.1)] * (LOOKS + 1))[-1]
    assert csv_header().count(",") == look.line().count(",")
    assert Look.of_line(look.line()) == dataclasses.replace(look, new=[])
    assert Look.of_line(looks(GOOD)[0].line()).signs == []
