"""A training on static tensors, as a GPU has it, gives the bytes of the plain one: kernel by kernel and replayed.

There need be no GPU: recording.py stands for CUDA graphs.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from stages.common.errors import UserError
from stages.common.images import ImageSet
from stages.gan import graph, inputs
from stages.gan.finite import NotFiniteError
from stages.gan.graph import WARM_UP_STEPS, EachKernel, StaticStep, static_step
from stages.gan.inputs import BLOCK_STEPS, DrawnAhead, StepInputs, as_row, of_row
from stages.gan.lanes import in_turn
from stages.gan.optimizers import OPTIMIZERS, count_on_device
from stages.gan.team import Team
from stages.gan.trainer import Trainer
from stages.train_gan import build_loop
from tests.gan.recording import Replayed
from tests.gan.test_trainer import BATCH, players, state, trainer
from tests.gan_params import gan_params
from tools.profiles import TRAINING

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


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [*((name, "adam") for name in CASES), *(("default", name) for name in sorted(OPTIMIZERS) if name != "adam")],
)
def test_static_tensors_give_the_bytes_of_the_plain_step(name: str, optimizer: str) -> None:
    changes = CASES[name] | {"optimizer": optimizer}
    plain, static = made(**changes), made(**changes)
    stepper = StaticStep(static, EachKernel())
    for step in range(STEPS):
        equal(stepper(step), plain.step(step))
    equal(state(static), state(plain))
    static.require_finite_updates(STEPS)


@pytest.mark.parametrize(
    ("name", "optimizer"), [*((name, "adam") for name in CASES), ("default", "adamw"), ("default", "sgd")]
)
def test_a_replay_gives_the_bytes_of_the_step(name: str, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step reads of Python would be that of the recorded step: other rates, averages, draws and penalties."""
    monkeypatch.setattr(graph, "WARM_UP_STEPS", 1)
    changes = CASES[name] | {"optimizer": optimizer, "total_kimg": CASES[name].get("total_kimg", 0.12) * 1.2}
    launched, replayed = on_device(made(**changes)), on_device(made(**changes))
    plainly, recorder = StaticStep(launched, EachKernel()), Replayed(replayed)
    stepper = StaticStep(replayed, recorder)
    for step in range(STEPS + 2):
        equal(stepper(step), plainly(step))
    equal(state(replayed), state(launched))
    assert recorder.records > 0
    assert recorder.launched == len(stepper._kinds)


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
    for step in range(WARM_UP_STEPS):
        stepper(step)
    with pytest.raises(UserError, match="operation would wait for the device"):
        stepper(WARM_UP_STEPS)


@pytest.mark.parametrize("forgotten", ["lr_g", "lr_d", "ema_decay", "penalty", "draws"])
def test_what_a_record_would_not_learn_of_is_noticed(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A factor as a number of Python, or draws that do not lie in static memory."""
    changes = CASES["every penalty, two steps of D, burn-in"]
    launched, replayed = on_device(made(**changes)), on_device(made(**changes))
    plainly = StaticStep(launched, EachKernel())
    whole = StepInputs.with_tensors

    def faulty(drawn: StepInputs, tensors: Sequence[Tensor]) -> StepInputs:
        given = whole(drawn, tensors)
        if forgotten == "draws":
            return replace(given, batches=drawn.batches)
        if forgotten == "penalty":
            return replace(given, due=drawn.due)
        return replace(given, factors=replace(given.factors, **{forgotten: getattr(drawn.factors, forgotten)}))

    stepper = StaticStep(replayed, Replayed(replayed))
    for step in range(STEPS):
        with monkeypatch.context() as patch:
            patch.setattr(StepInputs, "with_tensors", faulty)
            stepper(step)
        plainly(step)
    assert any(not torch.equal(tensor, state(launched)[name]) for name, tensor in state(replayed).items())


def test_a_step_that_cannot_be_recorded_is_launched_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    plain, trained = made(), made()
    stepper = StaticStep(trained, Replayed(trained))
    for step in range(STEPS):
        equal(stepper(step), plain.step(step))
    equal(state(trained), state(plain))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the step cannot be a CUDA graph (operation would wait for the device: ")
    assert line.endswith("): each kernel is launched by itself, which is slower")


# --- what is drawn ahead ---


def test_what_is_drawn_ahead_is_what_is_drawn_for_the_step_alone() -> None:
    """Also where a run is resumed in the middle, goes back, or ends within a block."""
    trained = made(**CASES["views, noise that ends"], total_kimg=(BLOCK_STEPS + 5) * BATCH / 1000)
    ahead = DrawnAhead(trained.inputs, trained.settings.total_steps, torch.device("cpu"))
    for step in [*range(BLOCK_STEPS + 5), 3, 4, 20, BLOCK_STEPS + 4]:
        drawn, row = ahead.take(step)
        expected = trained.inputs(step).tensors
        equal(drawn.tensors, expected)
        equal(of_row(row, expected), expected)
        ahead.draw_one()


def test_every_step_is_drawn_once_and_none_after_the_last() -> None:
    trained, drawn = made(total_kimg=(2 * BLOCK_STEPS + 5) * BATCH / 1000), []

    def draw(step: int) -> StepInputs:
        drawn.append(step)
        return trained.inputs(step)

    ahead = DrawnAhead(draw, trained.settings.total_steps, torch.device("cpu"))
    for step in range(2 * BLOCK_STEPS + 5):
        ahead.take(step)
        ahead.draw_one()
    assert drawn == list(range(2 * BLOCK_STEPS + 5))


def test_a_row_holds_tensors_of_any_kind() -> None:
    tensors = [
        torch.arange(3),
        torch.empty(4, 0),
        torch.tensor([[1.5], [-0.0]]),
        torch.tensor([True]),
        torch.tensor([2.5, 1e300], dtype=torch.float64),
        torch.arange(6.0).view(2, 3).T,
    ]
    equal(of_row(as_row(tensors), tensors), tensors)


# --- what is not finite is told later, and of the right step ---


@pytest.mark.parametrize(("player", "d_steps"), [("D", 1), ("G", 1), ("D", 2), ("G", 2)])
def test_the_first_update_that_was_not_finite_is_named(player: str, d_steps: int) -> None:
    trained = made(d_steps=d_steps, total_kimg=1.0)
    stepper = StaticStep(trained, EachKernel())
    for step in range(4):
        stepper(step)
    trained.require_finite_updates(4)
    for step in range(4, 9):
        if step == 6:
            next(getattr(trained, player).parameters()).detach().fill_(torch.inf)
        stepper(step)
    with pytest.raises(NotFiniteError) as caught:
        trained.require_finite_updates(9)
    assert caught.value.step == 6
    assert str(caught.value) == "D's loss or gradient"  # a broken G gives D images that break it, too


def test_a_gradient_of_g_alone_is_told_of_g() -> None:
    trained = made()
    trained.check.wait(torch.device("cpu"))
    for finite in (True, True, False, True):
        trained.check.note("D", torch.tensor(True))
        trained.check.note("G", torch.tensor(finite))
    with pytest.raises(NotFiniteError, match=r"^G's loss or gradient$") as caught:
        trained.require_finite_updates(4)
    assert caught.value.step == 2


# --- no step asks the device for a value ---


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": "relativistic_average", "penalties": {"wgan_gp": 1.0, "dragan": 1.0}, "d_steps": 2},
        {"penalties": {"r1": {"weight": 1.0, "part": 0.5, "interval": 2, "difference": 0.1}}},
        {"translation": 2, "instance_noise": {"std": 0.1, "until": 1.0}, "auxiliary": "acgan"},
        {"auxiliary": "infogan", "conditional": False},
        {"packing": 2, "penalties": {}, "network": "dcgan_2015", "width": 4},
        {"network": "mlp"},
        {"network": "resnet", "width": 8, "group_channels": 4, "normalisation": "spectral", "attention": True},
    ],
    ids=str,
)
def test_no_step_waits_for_its_device(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """On the device `meta`, which has no values to ask for; the optimisers, which it lacks, are replayed above."""
    params, options = gan_params(TRAINING, shards=1, **changes)
    monkeypatch.setattr(Trainer, "_autocast", lambda _: nullcontext())  # which meta has not
    digits = ImageSet(torch.zeros(40, 1, 28, 28), torch.arange(40) % 10, list("0123456789"))
    loop = build_loop(params, options, digits, torch.device("meta"), Team(params.shards), [])
    for optimizer in (loop.trainer.opt_g, loop.trainer.opt_d):
        optimizer.step = lambda: None  # type: ignore[assignment,method-assign]
    stepper = StaticStep(loop.trainer, EachKernel())
    figures = stepper(0)  # when all penalties are due
    assert tuple(figures.shape) == (7,)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):  # the device would have said so
        figures[0].item()


# --- which way is taken ---


def test_on_the_cpu_there_is_no_static_step() -> None:
    assert all(static_step(made(), wanted) is None for wanted in (None, True, False))


@pytest.mark.parametrize("wanted", [None, True, False])
def test_one_gpu_has_graphs_unless_they_are_unwanted(wanted: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = made()
    monkeypatch.setattr(graph, "CudaGraphs", lambda _device, parts, side_by_side: (parts, side_by_side))
    monkeypatch.setattr(graph, "StaticStep", lambda _trainer, recorder, may_fail=True: (recorder, may_fail))
    trained.images = on_cuda(trained.images)
    found: Any = static_step(trained, wanted)
    if wanted is False:
        assert isinstance(found[0], EachKernel)
    else:
        assert found == ((2, True), wanted is None)


def test_parts_of_a_d_with_buffers_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """BatchNorm in D writes to statistics that the next part starts from."""
    trained = made()
    trained.D.register_buffer("mean", torch.zeros(3))
    monkeypatch.setattr(graph, "CudaGraphs", lambda _device, _parts, side_by_side: side_by_side)
    monkeypatch.setattr(graph, "StaticStep", lambda _trainer, recorder, may_fail: recorder)
    trained.images = on_cuda(trained.images)
    assert static_step(trained, None) is False  # type: ignore[comparison-overlap]


def test_processes_that_share_a_batch_launch_each_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = made()
    trained.team.size = 2
    monkeypatch.setattr(graph, "StaticStep", lambda _trainer, recorder, may_fail=True: recorder)
    trained.images = on_cuda(trained.images)
    assert isinstance(static_step(trained, None), EachKernel)
    with pytest.raises(UserError, match=r"^GAN_CUDA_GRAPH is 1, but 2 processes share a batch and have no CUDA graph"):
        static_step(trained, True)


def test_a_step_does_not_stop_one_process_of_several_alone() -> None:
    """They agree on a step to stop at when they gather; one that is asked must not go by itself."""
    alone, one_of_two = Team(2), Team(2, 0, 2, lambda vectors, slots, stop: ([], 0))
    for team in (alone, one_of_two):
        team.stop = 15
        team.agree_alone()
    assert (alone.agreed_stop, one_of_two.agreed_stop) == (15, 0)


class Failing:
    """A recorder of a device on which nothing can be recorded."""

    lanes = staticmethod(in_turn)

    def launch(self, step: Any) -> Any:
        return step()

    def record(self, step: Any) -> Any:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")


def test_a_graph_that_is_wanted_and_cannot_be_is_one_line() -> None:
    stepper = StaticStep(made(), Failing(), may_fail=False)
    for step in range(WARM_UP_STEPS):
        stepper(step)
    with pytest.raises(UserError, match=r"^GAN_CUDA_GRAPH is 1, but the step cannot .* capturing\): unset it$"):
        stepper(WARM_UP_STEPS)


def test_large_draws_make_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BLOCK_BYTES", 1)
    trained = made()
    drawn = []

    def draw(step: int) -> StepInputs:
        drawn.append(step)
        return trained.inputs(step)

    ahead = DrawnAhead(draw, 10, torch.device("cpu"))
    ahead.take(0)
    assert drawn == [0]


def on_cuda(tensor: Tensor) -> Tensor:
    """A tensor without values that says it lies on a CUDA GPU, where there need be none."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        return torch.empty(tensor.shape, device="cuda")
