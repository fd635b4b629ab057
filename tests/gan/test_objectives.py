"""D's objective with penalties, several steps of D, and every optimiser, on the small players of test_trainer.py."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.common import draws
from stages.gan.optimizers import OPTIMIZERS
from stages.gan.penalties import PENALTIES, penalty_points
from stages.gan.trainer import FIGURES, NotFiniteError, Trainer
from tests.gan.test_losses import REFERENCES
from tests.gan.test_trainer import BATCH, BETAS, SEED, data, latents, players, r1_penalty, trainer


def d_gradient(made: Trainer) -> list[Tensor]:
    """What D's first step takes as its gradient: (1 - beta1) times it is Adam's first moment."""
    return [made.opt_d.state[parameter]["exp_avg"] / (1 - BETAS[0]) for parameter in made.D.parameters()]


def expected_d_gradient(penalty: str, weight: float, part: float, shards: int) -> list[Tensor]:
    """The loss over the whole batch, and the penalty over the first images of each part."""
    G, D = players(normalised=False)
    images, labels = data()
    rows = draws.permutation(SEED, "train_gan.order", 0, len(images))[:BATCH]
    real, y, fake = images[rows], labels[rows], G(latents(0), labels[rows]).detach()
    uniform = draws.uniform(SEED, "train_gan.penalty", 0, (BATCH, 17))
    objective = REFERENCES["non_saturating"].discriminator(D(real, y), D(fake, y)).mean()
    size = BATCH // shards
    for start in range(0, BATCH, size):
        rows = torch.arange(start, start + size)
        at = penalty_points(PENALTIES[penalty], real[rows], fake[rows], uniform[rows])
        chosen = at[: math.ceil(part * size)]
        squares = r1_penalty(D, chosen, y[rows][: len(chosen)])
        objective = objective + weight * PENALTIES[penalty].of(squares).mean() / shards
    return list(torch.autograd.grad(objective, list(D.parameters())))


@pytest.mark.parametrize(("part", "interval"), [(1.0, 1), (0.5, 1), (0.3, 3)])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_on_a_part_of_each_part_and_with_an_interval(penalty: str, part: float, interval: int) -> None:
    term = {"weight": 2.0, "part": part, "interval": interval}
    made = trainer(players(normalised=False), shards=2, penalties={penalty: term}, lr_d=1e-9)
    made.step(0)
    assert_close(d_gradient(made), expected_d_gradient(penalty, 2.0 * interval, part, 2), rtol=1e-4, atol=1e-6)


def test_between_its_intervals_a_penalty_is_left_out() -> None:
    term = {"weight": 2.0, "part": 1.0, "interval": 3}
    terms: tuple[dict[str, Any], ...] = ({"r1": term}, {"r1": term | {"interval": 1}}, {})
    made, always, without = (trainer(players(), penalties=penalties, lr_d=1e-9) for penalties in terms)
    figure = FIGURES.index("penalty")
    norms = [made.step(step)[figure].item() for step in range(4)]
    assert [norm > 0 for norm in norms] == [True, False, False, True]
    assert norms[0] == pytest.approx(3 * always.step(0)[figure].item(), rel=1e-5)  # so that means over steps compare
    assert without.step(0)[figure].item() == 0


def test_penalties_beside_the_images_leave_the_statistics_of_d_alone() -> None:
    """Its BatchNorm sees real and fake images, whatever penalties look at beside them."""
    statistics = []
    for penalties in ({}, {"wgan_gp": 1.0}, {"r1": {"weight": 1.0, "part": 0.5, "interval": 1}}):
        G, D = players()
        D.body.insert(1, nn.BatchNorm2d(5))  # type: ignore[operator, union-attr]
        made = trainer((G, D), penalties=penalties, lr_d=1e-9)
        made.step(0)
        statistics.append([buffer.clone() for buffer in made.D.buffers()])
    assert_close(statistics[1], statistics[0], rtol=0, atol=0)
    assert_close(statistics[2], statistics[0], rtol=0, atol=0)


def test_an_update_that_overflows_in_the_last_step_is_noticed() -> None:
    made = trainer(players())
    made.require_finite()
    next(made.G.parameters()).detach().view(-1)[0] = math.inf
    with pytest.raises(NotFiniteError, match=r"^G's weights"):
        made.require_finite()


def test_two_penalties_add_up_in_any_order_of_params() -> None:
    gradients = []
    for penalties in ({"r1": 2.0, "r2": 3.0}, {"r2": 3.0, "r1": 2.0}, {"r1": 2.0}, {"r2": 3.0}, {}):
        made = trainer(players(normalised=False), penalties=penalties, lr_d=1e-9)
        made.step(0)
        gradients.append(torch.cat([gradient.flatten() for gradient in d_gradient(made)]))
    both, swapped, r1, r2, none = gradients
    assert torch.equal(both, swapped)
    assert_close(both - none, (r1 - none) + (r2 - none), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("d_steps", [1, 3])
def test_d_takes_its_steps_on_batches_of_their_own_before_g_takes_one(d_steps: int) -> None:
    """The first step of G comes after D has seen d_steps batches; the next step goes on with the batches after them."""
    made = trainer(players(normalised=False), d_steps=d_steps, lr_g=1e-9, lr_decay=1.0)
    alone = trainer(players(normalised=False), lr_g=1e-9, lr_decay=1.0)
    figures = [made.step(step) for step in range(2)]
    plain = torch.stack([alone.step(step) for step in range(2 * d_steps)])
    of_d = FIGURES.index("g_loss")
    for step, found in enumerate(figures):
        assert_close(found[:of_d], plain[step * d_steps : (step + 1) * d_steps, :of_d].mean(0), rtol=1e-5, atol=1e-6)
    assert_close(made.D.state_dict(), alone.D.state_dict(), rtol=1e-5, atol=1e-6)
    assert made.settings.images_shown(2) == 2 * d_steps * BATCH


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_any_optimiser_keeps_survives_a_checkpoint_to_the_bit(optimizer: str) -> None:
    def made() -> Trainer:
        nets = tuple(net.to(memory_format=torch.channels_last) for net in players())
        return trainer((nets[0], nets[1]), optimizer=optimizer)

    undisturbed, resumed = made(), made()
    for step in range(2):
        undisturbed.step(step)
    resumed.load_state(
        {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in undisturbed.state().items()}
    )
    for step in range(2, 5):
        assert torch.equal(undisturbed.step(step), resumed.step(step))
    assert_close(resumed.state(), undisturbed.state(), rtol=0, atol=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimiser_teaches_d(optimizer: str) -> None:
    made = trainer(players(), optimizer=optimizer, lr_g=1e-9, lr_d=0.02, total_kimg=60 * BATCH / 1000, lr_decay=1.0)
    figures = [dict(zip(FIGURES, made.step(step).tolist(), strict=True)) for step in range(60)]
    assert figures[-1]["d_loss"] < figures[0]["d_loss"]


def test_an_optimiser_that_keeps_more_than_tensors_is_refused() -> None:
    made = trainer(players())
    made.step(0)
    made.opt_g.state[next(made.G.parameters())]["generation"] = 3
    with pytest.raises(TypeError, match="Adam keeps generation = 3"):
        made.state()
