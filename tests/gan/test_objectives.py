"""D's objective with penalties, several steps of D, and every optimiser, on the small players of test_trainer.py."""

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.common import draws
from stages.common.initialise import initialise
from stages.gan.augment import draw_views, seen
from stages.gan.finite import NotFiniteError
from stages.gan.optimizers import OPTIMIZERS
from stages.gan.packing import PackOrder
from stages.gan.penalties import PENALTIES, penalty_points
from stages.gan.penalty_terms import penalties_due
from stages.gan.trainer import FIGURES, Trainer
from tests.gan.test_losses import REFERENCES, cross_entropy
from tests.gan.test_trainer import BATCH, BETAS, SEED, Discriminator, data, latents, players, r1_penalty, trainer


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


@pytest.mark.parametrize(("part", "interval"), [(1.0, 1), (0.3, 3)])
@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_finite_differences_take_the_place_of_the_gradient(penalty: str, part: float, interval: int) -> None:
    """Along normal draws, on the first images of each part."""
    length, shards, size = 0.1, 2, BATCH // 2
    term = {"weight": 2.0, "part": part, "interval": interval, "difference": length}
    made = trainer(players(normalised=False), shards=shards, penalties={penalty: term}, lr_d=1e-9)
    figures = dict(zip(FIGURES, made.step(0).tolist(), strict=True))
    G, D = players(normalised=False)
    images, labels = data()
    rows = draws.permutation(SEED, "train_gan.order", 0, len(images))[:BATCH]
    real, y, fake = images[rows], labels[rows], G(latents(0), labels[rows]).detach()
    chosen = [index for index in range(BATCH) if index % size < math.ceil(part * size)]
    at, y_at = (real if penalty == "r1" else fake)[chosen], y[chosen]
    directions = draws.normal(SEED, "train_gan.difference", 0, (BATCH, 16))[chosen].view_as(at)
    squares = (D(at + length * directions, y_at) / length - D(at, y_at) / length) ** 2
    loss = REFERENCES["non_saturating"].discriminator(D(real, y), D(fake, y)).mean()
    expected = torch.autograd.grad(loss + 2.0 * interval / 2 * squares.mean(), list(D.parameters()))
    assert_close(d_gradient(made), list(expected), rtol=1e-3, atol=1e-5)
    assert figures["penalty"] == pytest.approx(interval * squares.mean().item(), rel=1e-3)


def test_d_sees_all_images_in_the_same_kind_of_views_in_both_players_steps() -> None:
    """Shifted, with noise, in packs of two; G learns by the views in which D has judged its images."""
    packing, shape, noise = 2, torch.Size([1, 4, 4]), {"std": 0.3, "until": 1.0}
    changes = {"packing": packing, "translation": 1, "instance_noise": noise, "penalties": {}, "label_smoothing": 0.2}

    def packed_players() -> tuple[nn.Module, nn.Module]:
        G, D = players(normalised=False)
        assert isinstance(D, Discriminator)
        D.body[0] = nn.Conv2d(packing, 5, 2)
        initialise(D, 0, "D")
        return G, D

    made = trainer(packed_players(), shards=2, lr_d=1e-9, **changes)
    made.step(0)
    G, D = packed_players()
    images, labels = data()
    rows = PackOrder(SEED, "train_gan.order", labels, BATCH, packing).rows(0)
    z = draws.normal(SEED, "train_gan.z", 0, (BATCH, made.settings.z_dim))

    def judged(shown: Tensor, of: Literal["real", "fake"]) -> Tensor:
        views = draw_views(made.settings, of, 0, shape, noise_std=0.3)
        return D(seen(shown, *views).view(BATCH // packing, packing, 4, 4), labels[rows][::packing])

    fake, real_logits = G(z, labels[rows]), judged(images[rows], "real")
    d_loss = cross_entropy(real_logits, 0.8) + cross_entropy(judged(fake.detach(), "fake"), 0)
    expected_d = torch.autograd.grad(d_loss.mean(), list(D.parameters()))
    expected_g = torch.autograd.grad(cross_entropy(judged(fake, "fake"), 1).mean(), list(G.parameters()))
    found_g = [made.opt_g.state[parameter]["exp_avg"] / (1 - BETAS[0]) for parameter in made.G.parameters()]
    assert_close(d_gradient(made), list(expected_d), rtol=1e-4, atol=1e-6)
    assert_close(found_g, list(expected_g), rtol=1e-4, atol=1e-6)


def test_weights_of_d_alone_are_clipped_after_each_of_its_steps() -> None:
    clipped, free = (trainer(players(), clip_weights=bound, penalties={}, d_steps=2) for bound in (0.05, 0.0))
    before = torch.cat([parameter.flatten() for parameter in free.D.parameters()])
    assert before.abs().max() > 0.1
    for made in (clipped, free):
        made.step(0)
    weights = torch.cat([parameter.flatten() for parameter in clipped.D.parameters()])
    assert weights.abs().max().item() == pytest.approx(0.05)
    assert (weights.abs() < 0.05).any()
    assert max(parameter.abs().max().item() for parameter in free.D.parameters()) > 0.1
    assert max(parameter.abs().max().item() for parameter in clipped.G.parameters()) > 0.05


def test_a_burn_in_multiplies_the_weight_of_penalties_and_the_rate() -> None:
    """At first; where it is over, nothing of it is left."""
    burn_in = {"kimg": 2 * BATCH / 1000, "lr": 1.0, "penalty": 3.0, "ema_halflife": 1.0}
    made = trainer(players(normalised=False), penalties={"r1": 2.0}, burn_in=burn_in, lr_d=1e-9)
    made.step(0)
    assert_close(d_gradient(made), expected_d_gradient("r1", 6.0, 1.0, 1), rtol=1e-4, atol=1e-6)
    after = [penalties_due(made.settings, batch)[0].factor for batch in range(4)]
    assert after == pytest.approx([3, 2, 1, 1])
    faster = trainer(players(), burn_in=burn_in | {"lr": 4.0})
    faster.step(0)
    assert faster.opt_d.param_groups[0]["lr"] == pytest.approx(4 * faster.settings.lr_d)
    assert faster.opt_g.param_groups[0]["lr"] == pytest.approx(4 * faster.settings.lr_g)


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
    made = trainer(players(), optimizer=optimizer, lr_g=1e-9, lr_d=0.02, total_kimg=30 * BATCH / 1000, lr_decay=1.0)
    figures = [dict(zip(FIGURES, made.step(step).tolist(), strict=True)) for step in range(30)]
    assert figures[-1]["d_loss"] < figures[0]["d_loss"] - 0.05


def test_an_optimiser_that_keeps_more_than_tensors_is_refused() -> None:
    made = trainer(players())
    made.step(0)
    made.opt_g.state[next(made.G.parameters())]["generation"] = 3
    with pytest.raises(TypeError, match="Adam keeps generation = 3"):
        made.state()
