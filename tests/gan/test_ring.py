"""GANs learn a ring of eight Gaussians in the plane, where modes can be counted: which cover all, and which collapse.

The points are images of two channels and one pixel, trained by the Trainer itself (tools/ring.py). Of the collapses,
each was seen with three seeds.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.gan.finite import NotFiniteError
from stages.gan.losses import LOSSES
from tools.ring import DEVIATION, MODES, Z_DIM, centres, ring, ring_trainer

SAMPLES, LEAST = 2000, 40
"""A mode counts where at least that many of the samples are within three deviations of its centre: 2 %, of 12 %."""
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


def modes_found(points: Tensor) -> int:
    distances, nearest = torch.cdist(points.flatten(1), centres()).min(dim=1)
    counts = torch.bincount(nearest[distances < 3 * DEVIATION], minlength=MODES)
    return int((counts >= LEAST).sum())


def modes_learned(**changes: Any) -> int:
    """Modes of the averaged generator after STEPS steps of G; none of a training that breaks off."""
    made = ring_trainer(**changes)
    try:
        for step in range(made.settings.total_steps):
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
    [loss if loss == "non_saturating" else pytest.param(loss, marks=pytest.mark.slow) for loss in LOSSES],
)
def test_every_loss_with_a_proper_regulariser_covers_all_modes(loss: str) -> None:
    assert modes_learned(loss=loss, **PROPER[loss]) == 8


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "minimax", "lr_g": 0.01, "lr_d": 0.001},  # G ten times as fast as D, as in Metz et al. 2017
        pytest.param({"loss": "non_saturating", "lr_g": 0.1, "lr_d": 0.1}, marks=pytest.mark.slow),
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
