"""The whole stage on static tensors: the files and checkpoints of the plain one, and what is not finite is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages import train_gan
from stages.common import runtime
from stages.common.errors import UserError
from stages.gan.graph import EachKernel, StaticStep
from stages.gan.trainer import Trainer
from tests.gan.broken_off import Files, finished, run, steps, stored

Ways = Callable[[str], None]


@pytest.fixture
def train_by(monkeypatch: pytest.MonkeyPatch) -> Ways:
    """Lets the stage train `plain`, or `static`, as on a GPU."""

    def choose(way: str) -> None:
        def static(trainer: Trainer, _wanted: bool | None) -> StaticStep | None:
            return StaticStep(trainer, EachKernel()) if way == "static" else None

        monkeypatch.setattr(train_gan, "static_step", static)

    return choose


def test_all_files_are_those_of_the_plain_training(train_by: Ways, run_data: Path, undisturbed: Files) -> None:
    train_by("static")
    assert finished(run_data) == undisturbed


@pytest.mark.parametrize(
    ("first", "then"),
    [("plain", "static"), ("static", "plain"), pytest.param("static", "static", marks=pytest.mark.slow)],
)
def test_a_checkpoint_of_either_way_is_continued_by_the_other(
    first: str,
    then: str,
    train_by: Ways,
    broken_off: Callable[..., list[Path]],
    run_data: Path,
    undisturbed: Files,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train_by(first)
    assert steps(broken_off(5)) == [2, 4]
    train_by(then)
    assert finished(run_data) == undisturbed
    assert "resuming from the checkpoint at 0.16 kimg" in capsys.readouterr().out


def spoil(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let D's weights overflow before that step."""
    whole = StaticStep.__call__

    def spoiled(stepper: StaticStep, number: int) -> torch.Tensor:
        if number == step:
            next(stepper.trainer.D.parameters()).detach().fill_(torch.inf)
        return whole(stepper, number)

    monkeypatch.setattr(StaticStep, "__call__", spoiled)


def test_what_is_not_finite_is_told_of_its_step_and_no_checkpoint_holds_it(
    train_by: Ways, run_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the history ends at step 7; the checkpoint after 6 steps would hold what the fifth has broken."""
    train_by("static")
    spoil(4, monkeypatch)
    with pytest.raises(UserError, match=r"^D's loss or gradient is not finite at step 5 \(0.2 kimg\): "):
        run(run_data)
    assert steps(stored(run_data.parent)) == [2, 4]
    assert not list((run_data / "train_gan").glob("*.safetensors"))


@pytest.mark.parametrize(("value", "expected"), [("", None), ("0", False), ("1", True)])
def test_the_variable(value: str, expected: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_CUDA_GRAPH", value)
    assert runtime.cuda_graph() is expected


@pytest.mark.parametrize("value", ["yes", "2", "auto"])
def test_a_variable_that_is_neither_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_CUDA_GRAPH", value)
    with pytest.raises(UserError, match=rf"^GAN_CUDA_GRAPH: expected 0 or 1, found '{value}'$"):
        runtime.cuda_graph()
