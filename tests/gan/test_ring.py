"""GANs learn a ring of eight Gaussians in the plane, where modes can be counted: which cover all, and which collapse.

The points are images of two channels and one pixel, trained by the Trainer itself. Of the collapses, each was seen with
three seeds.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stages.common.initialise import initialise
from stages.common.params import read_params_file
from stages.gan.losses import LOSSES
from stages.gan.settings import Settings
from stages.gan.team import Team
from stages.gan.trainer import NotFiniteError, Trainer

MODES, DEVIATION = 8, 0.07
"""Centres on the unit circle, 0.77 apart."""
WIDTH, Z_DIM, BATCH, STEPS = 64, 8, 64, 400
SAMPLES, LEAST = 2000, 40
"""A mode counts where at least that many of the samples are within three deviations of its centre: 2 %, of 12 %."""
COMMITTED = read_params_file(Path(__file__).parents[2] / "params.yaml")["train_gan"]
SETTINGS: dict[str, Any] = {key: COMMITTED[key] for key in Settings.model_fields} | {
    "penalties": {},
    "conditional": False,
    "z_dim": Z_DIM,
    "batch_size": BATCH,
    "shards": 1,
    "total_kimg": STEPS * BATCH / 1000,
    "lr_g": 0.005,
    "lr_d": 0.005,
    "betas": [0.0, 0.99],
    "ema_halflife_kimg": 2.0,
    "seed": 1,
}
R1 = {"r1": 0.1}
PROPER: dict[str, dict[str, Any]] = {
    "minimax": {"penalties": R1},
    "non_saturating": {"penalties": R1},
    "least_squares": {"penalties": R1},
    "hinge": {"penalties": R1},
    "wasserstein": {"penalties": {"wgan_gp": 0.3}, "d_steps": 2},
    "relativistic": {"penalties": {"r1": 0.1, "r2": 0.1}},
    "relativistic_average": {"penalties": R1},
}
"""A regulariser that suits each loss."""


class Generator(nn.Module):
    """z to points [B, 2, 1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(Z_DIM, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2)
        )

    def forward(self, z: Tensor, _y: Tensor) -> Tensor:
        return self.body(z).view(-1, 2, 1, 1)


class Discriminator(nn.Module):
    """Points, or packs of them, to logits."""

    def __init__(self, packing: int) -> None:
        super().__init__()
        slope = 0.2
        self.body = nn.Sequential(
            nn.Linear(2 * packing, WIDTH),
            nn.LeakyReLU(slope),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(slope),
            nn.Linear(WIDTH, 1),
        )

    def forward(self, points: Tensor, _y: Tensor) -> Tensor:
        return self.body(points.flatten(1)).squeeze(1)


def centres() -> Tensor:
    angles = torch.arange(MODES) * 2 * math.pi / MODES
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def ring(n: int = 4096) -> Tensor:
    """Points [n, 2, 1, 1] of all modes alike."""
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    return (centres().repeat(n // MODES, 1) + DEVIATION * noise).view(n, 2, 1, 1)


def modes_found(points: Tensor) -> int:
    distances, nearest = torch.cdist(points.flatten(1), centres()).min(dim=1)
    counts = torch.bincount(nearest[distances < 3 * DEVIATION], minlength=MODES)
    return int((counts >= LEAST).sum())


def modes_learned(**changes: Any) -> int:
    """Modes of the averaged generator after STEPS steps of G; none of a training that breaks off."""
    d_steps = changes.get("d_steps", 1)
    settings = Settings.model_validate(SETTINGS | {"total_kimg": STEPS * d_steps * BATCH / 1000} | changes)
    G, D = Generator(), Discriminator(settings.packing)
    for name, net in zip("GD", (G, D), strict=True):
        initialise(net, settings.seed, name)
    points = ring()
    made = Trainer(G, D, points, torch.zeros(len(points), dtype=torch.int64), settings, Team(1))
    try:
        for step in range(settings.total_steps):
            made.step(step)
    except NotFiniteError:
        return 0
    z = torch.randn(SAMPLES, Z_DIM, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return modes_found(made.ema(z, torch.zeros(SAMPLES, dtype=torch.int64)))


def test_modes_are_counted() -> None:
    assert modes_found(ring(SAMPLES)) == 8
    assert modes_found(ring(SAMPLES).flip(1) * torch.tensor([-1.0, 1.0]).view(2, 1, 1)) == 8
    three = ring(SAMPLES).view(-1, MODES, 2, 1, 1)[:, :3].flatten(0, 1)
    assert modes_found(three) == 3
    assert modes_found(1.5 * ring(SAMPLES)) == 0


@pytest.mark.parametrize(
    "loss",
    [
        loss if loss in ("non_saturating", "relativistic") else pytest.param(loss, marks=pytest.mark.slow)
        for loss in LOSSES
    ],
)
def test_every_loss_with_a_proper_regulariser_covers_all_modes(loss: str) -> None:
    assert modes_learned(loss=loss, **PROPER[loss]) == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "minimax", "lr_g": 0.01, "lr_d": 0.001},  # G ten times as fast as D, as in Metz et al. 2017
        {"loss": "non_saturating", "lr_g": 0.1, "lr_d": 0.1},
    ],
    ids=["minimax without a penalty", "no regulariser at a high rate"],
)
def test_known_failures_collapse_to_a_single_mode(changes: dict[str, Any]) -> None:
    assert modes_learned(betas=[0.5, 0.99], seed=3, **changes) <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "wasserstein", "clip_weights": 0.2, "optimizer": "rmsprop", "d_steps": 2},
        {"packing": 2},
        {"label_smoothing": 0.1},
        {"instance_noise": {"std": 0.2, "until": 0.8}},
        {"penalties": {"r1": {"weight": 0.1, "part": 1.0, "interval": 1, "difference": 0.03}}},
        {"penalties": {"dragan": 0.3}},
        {"penalties": R1, "burn_in": {"kimg": 5.0, "lr": 2.0, "penalty": 4.0, "ema_halflife": 0.5}},
    ],
    ids="+".join,
)
def test_other_ways_cover_all_modes(changes: dict[str, Any]) -> None:
    assert modes_learned(**changes) == 8
