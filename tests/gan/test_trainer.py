"""A step of training against a plain implementation of it, and what parts, seeds and steps must not change."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.common import draws
from stages.common.initialise import initialise
from stages.common.params import read_params_file
from stages.gan.finite import NotFiniteError
from stages.gan.layers import iterate_spectral_norms, spectrally_normalise
from stages.gan.losses import LOSSES
from stages.gan.settings import Settings
from stages.gan.team import Team
from stages.gan.trainer import FIGURES, Trainer
from tests.gan.test_losses import REFERENCES

BATCH, Z_DIM, STEPS = 12, 3, 10
COMMITTED = read_params_file(Path(__file__).parents[2] / "params.yaml")["train_gan"]
SETTINGS: dict[str, Any] = {key: COMMITTED[key] for key in Settings.model_fields} | {
    "loss": "non_saturating",
    "penalties": {"r1": 2.0},
    "optimizer": "adam",
    "z_dim": Z_DIM,
    "batch_size": BATCH,
    "shards": 1,
    "d_steps": 1,
    "total_kimg": STEPS * BATCH / 1000,
    "lr_g": 0.01,
    "lr_d": 0.02,
    "betas": [0.5, 0.99],
    "lr_decay": 0.1,
    "ema_halflife_kimg": 0.02,
    "precision": "float32",
    "history_steps": 1,
    "snapshot_kimg": 1.0,
    "seed": 3,
}
SEED, LR_G, LR_D = (SETTINGS[key] for key in ("seed", "lr_g", "lr_d"))
BETAS = (0.5, 0.99)


class Generator(nn.Module):
    """z and y to images [B, 1, 4, 4], with or without BatchNorm."""

    def __init__(self, normalised: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, Z_DIM)
        # No bias before BatchNorm, which takes it off again: its gradient is rounding noise, and Adam amplifies that.
        self.body = nn.Sequential(
            nn.Linear(2 * Z_DIM, 8, bias=False),
            nn.BatchNorm1d(8) if normalised else nn.Identity(),
            nn.Tanh(),
            nn.Linear(8, 16),
        )

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.body(torch.cat([z, self.embedding(y)], 1)).tanh().view(-1, 1, 4, 4)


class Discriminator(nn.Module):
    """Images [B, 1, 4, 4] and y to logits [B]; smooth, so that R1's own gradient can be checked."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 5, 2), nn.Tanh(), nn.Flatten(), nn.Linear(45, 4))

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        return self.body(images)[torch.arange(len(y)), y]


def players(normalised: bool = True) -> tuple[nn.Module, nn.Module]:
    nets: list[nn.Module] = [Generator(normalised), Discriminator()]
    for name, net in zip("GD", nets, strict=True):
        initialise(net, 0, name)
    return nets[0], nets[1]


def data() -> tuple[Tensor, Tensor]:
    """More images than one batch holds, so that batches cross the end of the first epoch."""
    n = BATCH + 5
    return torch.arange(n * 16.0).mul(0.7).sin().view(n, 1, 4, 4), torch.arange(n) % 4


def trainer(nets: tuple[nn.Module, nn.Module], shards: int = 1, **changes: Any) -> Trainer:
    settings = Settings.model_validate(SETTINGS | {"shards": shards} | changes)
    return Trainer(*nets, *data(), settings, Team(shards))


def state(made: Trainer) -> dict[str, Tensor]:
    nets = {"G": made.G, "D": made.D, "ema": made.ema}
    return {f"{name}.{key}": value.clone() for name, net in nets.items() for key, value in net.state_dict().items()}


def without_counters(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without BatchNorm's numbers of calls, which decide nothing."""
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}


def trained(steps: int, shards: int = 1, **changes: Any) -> dict[str, Tensor]:
    made = trainer(players(), shards, **changes)
    for step in range(steps):
        made.step(step)
    return state(made)


def r1_penalty(D: nn.Module, images: Tensor, y: Tensor) -> Tensor:
    """One image at a time."""
    squares = []
    for one, label in zip(images.split(1), y.split(1), strict=True):
        image = one.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(D(image, label).sum(), image, create_graph=True)
        squares.append(gradient.square().sum())
    return torch.stack(squares)


def latents(batch: int) -> Tensor:
    return draws.normal(SEED, "train_gan.z", batch, (BATCH, Z_DIM))


def plain_training(loss: str, gamma: float, steps: int) -> tuple[dict[str, Tensor], list[list[float]]]:
    """The same training as anyone would write it, on whole batches. Returns the end state and FIGURES of each step."""
    G, D = players()
    ema = copy.deepcopy(G)
    opt_g = torch.optim.Adam(G.parameters(), LR_G, BETAS)
    opt_d = torch.optim.Adam(D.parameters(), LR_D, BETAS)
    fall = torch.optim.lr_scheduler.LinearLR
    schedules = [fall(opt, 1, end_factor=SETTINGS["lr_decay"], total_iters=STEPS) for opt in (opt_g, opt_d)]
    images, labels = data()
    epochs = [draws.permutation(SEED, "train_gan.order", epoch, len(images)) for epoch in range(9)]
    order = torch.cat(epochs)
    figures = []
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        real, y = images[rows], labels[rows]

        fake = G(latents(step), y)
        real_logits, fake_logits = D(real, y), D(fake.detach(), y)
        d_loss, penalty = REFERENCES[loss].discriminator(real_logits, fake_logits), r1_penalty(D, real, y)
        opt_d.zero_grad()
        (d_loss + gamma / 2 * penalty).mean().backward()
        d_norm = torch.cat([p.grad.flatten() for p in D.parameters() if p.grad is not None]).norm()
        opt_d.step()

        g_loss = REFERENCES[loss].generator(D(fake, y), D(real, y).detach())
        opt_g.zero_grad()
        g_loss.mean().backward()
        g_norm = torch.cat([p.grad.flatten() for p in G.parameters() if p.grad is not None]).norm()
        opt_g.step()

        halflife = min(SETTINGS["ema_halflife_kimg"], 0.05 * step * BATCH / 1000)
        decay = 0.5 ** (BATCH / 1000 / halflife) if halflife else 0
        with torch.no_grad():
            for mine, theirs in zip(ema.state_dict().values(), G.state_dict().values(), strict=True):
                mine.copy_(mine * decay + theirs * (1 - decay) if mine.is_floating_point() else theirs)
        for schedule in schedules:
            schedule.step()
        penalty_mean = penalty.mean() if gamma else torch.zeros(())
        means = [d_loss.mean(), real_logits.mean(), fake_logits.mean(), penalty_mean, d_norm, g_loss.mean(), g_norm]
        figures.append([mean.item() for mean in means])
    nets = {"G": G, "D": D, "ema": ema}
    return {f"{name}.{key}": value for name, net in nets.items() for key, value in net.state_dict().items()}, figures


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_part_trains_as_a_plain_implementation_does(loss: str, gamma: float) -> None:
    steps = 4  # the second batch crosses the end of the first epoch
    expected, expected_figures = plain_training(loss, gamma, steps)
    made = trainer(players(), shards=1, loss=loss, penalties={"r1": gamma})
    figures = [made.step(step).tolist() for step in range(steps)]
    assert_close(figures, expected_figures, rtol=1e-4, atol=1e-5)
    assert_close(without_counters(state(made)), without_counters(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
def test_same_bytes_twice_and_others_for_another_seed(shards: int) -> None:
    first = trained(3, shards)
    assert_close(trained(3, shards), first, rtol=0, atol=0)
    other = trained(3, shards, seed=4)
    assert all(not torch.equal(other[name], first[name]) for name in first if name.endswith("weight"))


def test_a_step_leaves_the_data_and_every_mode_as_they_were() -> None:
    made = trainer(players(), shards=2)
    made.step(0)
    images, labels = data()
    assert torch.equal(made.images, images)
    assert torch.equal(made.labels, labels)
    assert made.G.training
    assert made.D.training
    assert not made.ema.training


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 6, 12])
def test_without_normalisation_the_parts_together_give_the_gradient_of_the_whole_batch(shards: int) -> None:
    """Adam's first moment after one step is (1 - beta1) times the gradient; a tiny lr_d leaves D as it was for G."""
    nets = players(normalised=False)
    G, D = copy.deepcopy(nets)
    made = trainer(nets, shards, lr_d=1e-9)
    figures = dict(zip(FIGURES, made.step(0).tolist(), strict=True))
    images, labels = data()
    rows = draws.permutation(SEED, "train_gan.order", 0, len(images))[:BATCH]
    real, y = images[rows], labels[rows]
    reference = REFERENCES["non_saturating"]
    objective = reference.discriminator(D(real, y), D(G(latents(0), y).detach(), y)) + r1_penalty(D, real, y)
    expected_d = torch.autograd.grad(objective.mean(), list(D.parameters()))
    g_loss = reference.generator(D(G(latents(0), y), y), D(real, y))
    expected_g = torch.autograd.grad(g_loss.mean(), list(G.parameters()))
    for optimizer, expected in ((made.opt_d, expected_d), (made.opt_g, expected_g)):
        found = [optimizer.state[parameter]["exp_avg"] / 0.5 for parameter in optimizer.param_groups[0]["params"]]
        assert_close(found, list(expected), rtol=1e-4, atol=1e-6)
    assert figures["d_grad_norm"] == pytest.approx(torch.cat([g.flatten() for g in expected_d]).norm().item(), rel=1e-4)
    assert figures["g_grad_norm"] == pytest.approx(torch.cat([g.flatten() for g in expected_g]).norm().item(), rel=1e-4)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_running_statistics_are_the_mean_of_the_parts_updates(shards: int) -> None:
    """BatchNorm sees each part alone, from the same statistics, once a step, and only in G's own pass."""

    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(Z_DIM)
            self.head = nn.Linear(Z_DIM, 16)

        def forward(self, z: Tensor, y: Tensor) -> Tensor:
            return self.head(self.norm(z)).tanh().view(-1, 1, 4, 4)

    made = trainer((Normalised(), players()[1]), shards)
    made.step(0)
    parts = latents(0).view(shards, BATCH // shards, Z_DIM)
    norm = made.G.get_submodule("norm")
    assert_close(norm.running_mean, 0.1 * parts.mean(1).mean(0))
    assert_close(norm.running_var, 0.9 + 0.1 * parts.var(1).mean(0))


@pytest.mark.parametrize("step", [0, 4, 9])
def test_learning_rates_fall_linearly(step: int) -> None:
    """Without momentum Adam's first step moves the weights of clear gradients by the learning rate."""
    made = trainer(players(), betas=[0.0, 0.99])
    before = state(made)
    made.step(step)
    after = state(made)
    factor = 1 - 0.9 * step / STEPS
    for player, lr in (("G", LR_G), ("D", LR_D)):
        moved = max(
            (after[name] - before[name]).abs().max().item() for name in after if name.startswith(f"{player}.body.3.w")
        )
        assert moved == pytest.approx(lr * factor, rel=1e-3)


def test_not_finite_images_stop_d_with_nothing_changed() -> None:
    made = trainer(players(), shards=2)
    before = state(made)
    made.images[:] = float("nan")
    with pytest.raises(NotFiniteError, match=r"^D's"):
        made.step(0)
    assert_close(without_counters(state(made)), without_counters(before), rtol=0, atol=0)


def test_a_gradient_of_g_that_is_not_finite_leaves_g_and_its_average() -> None:
    class SteepGenerator(nn.Module):
        """Finite images, but the square root's slope at 0 is infinite."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(Z_DIM, 16)

        def forward(self, z: Tensor, y: Tensor) -> Tensor:
            return (self.head(z) * 0).abs().sqrt().view(-1, 1, 4, 4)

    made = trainer((SteepGenerator(), players()[1]), shards=2)
    before = state(made)
    with pytest.raises(NotFiniteError, match=r"^G's"):
        made.step(0)
    found = state(made)
    for player in ("G.", "ema."):
        for name in (name for name in found if name.startswith(player)):
            assert torch.equal(found[name], before[name])


def test_training_teaches_d_to_tell_real_from_fake() -> None:
    made = trainer(players(), shards=2, lr_g=1e-9, lr_d=0.05, penalties={}, total_kimg=60 * BATCH / 1000, lr_decay=1.0)
    figures = [dict(zip(FIGURES, made.step(step).tolist(), strict=True)) for step in range(60)]
    assert figures[-1]["d_loss"] < 0.5 * figures[0]["d_loss"]
    assert figures[-1]["real_logits"] > figures[-1]["fake_logits"] + 1


def test_training_teaches_g_to_raise_the_logits() -> None:
    made = trainer(players(), shards=2, lr_g=0.05, lr_d=1e-9, total_kimg=60 * BATCH / 1000, lr_decay=1.0)
    figures = [dict(zip(FIGURES, made.step(step).tolist(), strict=True)) for step in range(60)]
    assert figures[-1]["g_loss"] < figures[0]["g_loss"]
    assert figures[-1]["fake_logits"] > figures[0]["fake_logits"]


def test_spectral_normalisation_iterates_once_a_step_of_d_whatever_the_number_of_parts() -> None:
    """Each part judges by the same weights, and the mean over the parts is exactly what the iteration gave."""
    for shards, d_steps in ((1, 1), (4, 1), (2, 2)):
        G, D = players()
        spectrally_normalise(D)
        initialise(D, 0, "D")
        made = trainer((G, D), shards, d_steps=d_steps, total_kimg=1.0)
        before = copy.deepcopy(D)
        iterate_spectral_norms(before)
        made.step(0)
        if d_steps == 1:
            assert_close(dict(D.named_buffers()), dict(before.named_buffers()), rtol=0, atol=0)
        else:  # the second iteration is on the weights after the first step
            assert not any(map(torch.equal, D.buffers(), before.buffers()))
