"""Shares of a step: of made-up times by hand, and of a real step."""

import time
from typing import Any

import pytest
import torch

from stages.gan.team import Team
from tools.bench import shares
from tools.bench.shares import (
    D_BACKWARD,
    D_FORWARD,
    G_BACKWARD,
    G_FORWARD,
    PENALTY_FIRST,
    PENALTY_SECOND,
    REST,
    Clock,
    clocked,
    measure_shares,
)
from tools.bench.task import Task
from tools.bench.training import new_loop
from tools.profiles import TRAINING


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still until a test changes it."""
    times = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: times[0])
    return times


def test_a_phase_inside_another_takes_its_time_from_it(now: list[float]) -> None:
    clock = Clock()
    now[0] = 1  # a second outside of all phases
    with clock.phase("outer"):
        now[0] = 3
        with clock.phase("inner"):
            now[0] = 7
        now[0] = 12
    assert clock.total() == 12
    assert clock.seconds == {REST: 1, "outer": 2 + 5, "inner": 4}


def test_shares_by_hand() -> None:
    """A step of 20 s: the penalties make the backward pass for D's weights 4 s longer, and D's forward 1 s."""
    with_penalties = {D_FORWARD: 4.0, D_BACKWARD: 9.0, PENALTY_FIRST: 2.0, G_FORWARD: 2.0, REST: 3.0}
    without = {D_FORWARD: 3.0, D_BACKWARD: 5.0, G_FORWARD: 2.5, REST: 2.0}
    parts = shares.shares(with_penalties, without)
    expected = {D_FORWARD: 3, D_BACKWARD: 5, PENALTY_FIRST: 3, PENALTY_SECOND: 4, G_FORWARD: 2, REST: 3}
    assert parts == pytest.approx({name: seconds / 20 for name, seconds in expected.items()})
    assert sum(parts.values()) == pytest.approx(1)


def test_shares_of_a_real_step() -> None:
    parts = measure_shares(Task("shares", warm_up=1, steps=2, changes=TRAINING), Team(4))
    assert sum(parts.values()) == pytest.approx(1)
    assert parts.keys() <= set(shares.ORDER)
    assert {D_FORWARD, D_BACKWARD, PENALTY_SECOND, G_FORWARD, shares.OPTIMIZERS, shares.AVERAGE} <= parts.keys()


def test_clocks_leave_no_trace_and_change_no_step() -> None:
    losses: list[Any] = []
    for watched in (False, True):
        loop, grad = new_loop(TRAINING, Team(4)), torch.autograd.grad
        if watched:
            with clocked(loop.trainer, clock := Clock()):
                losses.append(loop.trainer.step(0))
            assert clock.seconds[G_BACKWARD] > 0
            assert torch.autograd.grad is grad
            assert not loop.trainer.G._forward_hooks
        else:
            losses.append(loop.trainer.step(0))
    assert torch.equal(*losses)


def test_penalties_are_switched_off_by_their_weight() -> None:
    changes = shares.without_penalties({"train_gan": {"batch_size": 8}})
    assert changes["train_gan"]["batch_size"] == 8
    assert set(changes["train_gan"]["penalties"].values()) == {0.0}
