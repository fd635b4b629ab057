"""A training on static tensors, as a GPU has it, gives the bytes of the plain one: kernel by kernel and replayed.

There need be no GPU: recording.py stands for CUDA graphs.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.gan import graph, inputs
from stages.gan.graph import WARM_UP_STEPS, CudaGraphs, EachKernel, StaticStep, static_step
from stages.gan.inputs import DrawnAhead, as_row, of_row
from stages.gan.optimizers import OPTIMIZERS, count_on_device
from stages.gan.trainer import Trainer
from tests.gan.recording import Asked, Replayed
from tests.gan.test_trainer import BATCH, players, state, trainer

STEPS = 10
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "every penalty, two steps of D, burn-in": {
        "penalties": {
            "r1": {"weight": 2.0, "part": 0.5, "interval": 3},
            "r2": {"weight": 1.0, "part": 1.0, "interval": 2, "difference": 0.1},
            "wgan_gp": 1.0,
            "dragan": {"weight": 1.0, "part": 1.0, "interval": 4},
        },
        "d_steps": 2,
        "total_kimg": 2 * STEPS * BATCH / 1000,
        "burn_in": {"kimg": 0.1, "lr": 4.0, "penalty": 10.0, "ema_halflife": 0.5},
    },
    "views, noise that ends": {"translation": 1, "instance_noise": {"std": 0.3, "until": 0.5}, "clip_weights": 0.5},
    "bfloat16": {"precision": "bfloat16"},
    "paired": {"loss": "relativistic_average", "label_smoothing": 0.0},
}


def made(**changes: Any) -> Trainer:
    return trainer(players(), shards=2, **changes)


def on_device(trained: Trainer) -> Trainer:
    """With optimisers as a GPU has them, as far as the CPU can: those that torch gives one kernel."""
    for optimizer in (trained.opt_g, trained.opt_d):
        count_on_device(optimizer)
    return trained


def equal(first: Any, second: Any) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=0)


# --- the same bytes ---


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("name", CASES)
def test_static_tensors_give_the_bytes_of_the_plain_step(name: str, optimizer: str) -> None:
    changes = CASES[name] | {"optimizer": optimizer}
    plain, static = made(**changes), made(**changes)
    stepper = StaticStep(static, EachKernel())
    for step in range(STEPS):
        equal(stepper(step), plain.step(step))
    equal(state(static), state(plain))
    static.require_finite_updates(STEPS)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_replay_gives_the_bytes_of_the_step(name: str, optimizer: str) -> None:
    """What a step reads of Python would be that of the recorded step: other rates, averages, draws and penalties."""
    changes = CASES[name] | {"optimizer": optimizer, "total_kimg": CASES[name].get("total_kimg", 0.12) * 2}
    launched, replayed = on_device(made(**changes)), on_device(made(**changes))
    plainly, recorder = StaticStep(launched, EachKernel()), Replayed(replayed)
    stepper = StaticStep(replayed, recorder)
    for step in range(2 * STEPS):
        equal(stepper(step), plainly(step))
    equal(state(replayed), state(launched))
    assert recorder.records > 0
    assert recorder.launched <= WARM_UP_STEPS * len(stepper._kinds)


def test_each_kind_of_step_has_a_record_of_its_own() -> None:
    """The penalty is due every third step of 20: two kinds."""
    trained = on_device(made(penalties={"r1": {"weight": 2.0, "part": 1.0, "interval": 3}}, total_kimg=1.0))
    recorder = Replayed(trained)
    stepper = StaticStep(trained, recorder)
    for step in range(20):
        stepper(step)
    assert (recorder.records, recorder.launched) == (2, 2 * WARM_UP_STEPS)


# --- what the stand-in would notice ---


def test_an_optimiser_that_counts_on_the_cpu_cannot_be_recorded() -> None:
    stepper = StaticStep(trained := made(), Replayed(trained), may_fail=False)
    with pytest.raises(Asked):
        for step in range(STEPS):
            stepper(step)


@pytest.mark.parametrize("factor", ["lr_g", "lr_d", "ema_decay", "penalty"])
def test_a_number_of_python_in_a_step_would_be_noticed(factor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = CASES["every penalty, two steps of D, burn-in"]
    whole = inputs.Factors

    def forgetful(*values: Any, **named: Any) -> inputs.Factors:
        made_of = whole(*values, **named)
        value = getattr(made_of, factor)
        return inputs.replace(made_of, **{factor: value.item()}) if isinstance(value, Tensor) else made_of

    launched, replayed = on_device(made(**changes)), on_device(made(**changes))
    plainly = StaticStep(launched, EachKernel())
    expected = [plainly(step) for step in range(STEPS)]
    monkeypatch.setattr(inputs, "Factors", forgetful)
    monkeypatch.setattr(inputs, "fields", lambda kind: inputs.__dict__["_fields"](whole if kind is forgetful else kind))
    monkeypatch.setitem(inputs.__dict__, "_fields", __import__("dataclasses").fields)
    stepper = StaticStep(replayed, Replayed(replayed))
    found = [stepper(step) for step in range(STEPS)]
    assert not torch.equal(torch.stack(found), torch.stack(expected)) or not all(
        torch.equal(a, b) for a, b in zip(state(replayed).values(), state(launched).values(), strict=True)
    )


def test_a_step_that_cannot_be_recorded_is_launched_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    plain, trained = made(), made()
    stepper = StaticStep(trained, Replayed(trained))
    for step in range(STEPS):
        equal(stepper(step), plain.step(step))
    equal(state(trained), state(plain))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the step cannot be a CUDA graph (operation would wait for the device: ")
    assert line.endswith("): each kernel is launched by itself, which is slower")
