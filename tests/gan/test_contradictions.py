"""Choices of a training that make no sense together are refused in one line, which says why and what to do."""

from typing import Any

import pytest

from stages.common.errors import UserError
from tests.gan_params import gan_params

FREE: dict[str, Any] = {"penalties": {}, "loss": "non_saturating"}
R1 = {"weight": 1.0, "part": 0.25, "interval": 1}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"clip_weights": 0.01, "penalties": {"r1": 1.0, "r2": 2.0}},
        "train_gan.clip_weights: weights are clipped in place of a gradient penalty, not beside one; "
        "expected 0, or weight 0 for r1 and r2, found 0.01",
    ),
    (
        {"label_smoothing": 0.1, "loss": "hinge"},
        "train_gan.label_smoothing: the loss hinge has no labels, unlike least_squares, minimax, non_saturating; "
        "expected 0, found 0.1",
    ),
    (
        {"packing": 2, "penalties": {"wgan_gp": 10.0}},
        "train_gan.packing: D judges packs, and the penalties are on its slope at a single image; "
        "expected 1, or weight 0 for wgan_gp, found 2",
    ),
    (
        {"packing": 3, "batch_size": 32, "shards": 4},
        "train_gan.packing: the 8 images of a part (batch_size / shards) are not whole packs; expected a divisor of 8, "
        "found 3",
    ),
    (
        {"penalties": {"dragan": R1 | {"difference": 0.03}}},
        "train_gan.penalties.dragan.difference: finite differences are right in the mean for r1, r2 alone, not for a "
        "distance of the norm from 1; expected 0, found 0.03",
    ),
    (
        {"penalties": {"r2": R1 | {"difference": 0.03}}, "precision": "bfloat16"},
        "train_gan.penalties.r2.difference: bfloat16 rounds away what two logits so near differ by; expected 0, or "
        "precision float32, found 0.03",
    ),
    (
        {"penalties": {"r1": R1 | {"interval": 21}}, "batch_size": 100, "d_steps": 2, "total_kimg": 2.0},
        "train_gan.penalties.r1.interval: D takes 20 steps, so the penalty would be taken once, with the weight times "
        "21; expected at most 20, found 21",
    ),
    (
        {"burn_in": {"kimg": 3.0, "lr": 2.0, "penalty": 1.0, "ema_halflife": 1.0}, "total_kimg": 2.0},
        "train_gan.burn_in.kimg: expected at most the 2 kimg of the training, found 3",
    ),
]
ACCEPTED: list[dict[str, Any]] = [
    {"clip_weights": 0.01, "penalties": {"r1": 0.0}},
    {"label_smoothing": 0.1, "loss": "least_squares"},
    {"packing": 4, "batch_size": 32, "shards": 4},
    {"penalties": {"r1": R1 | {"difference": 0.03, "interval": 20}}, "batch_size": 100, "total_kimg": 2.0},
    {"translation": 2, "penalties": {"wgan_gp": 10.0}, "instance_noise": {"std": 0.1, "until": 1.0}},
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED)
def test_what_makes_no_sense_together_is_one_line(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        gan_params(None, **(FREE | changes))
    assert str(caught.value) == f"params.yaml: {expected}"


@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_looks_like_it_is_accepted(changes: dict[str, Any]) -> None:
    gan_params(None, **(FREE | changes))


def test_all_of_them_are_listed() -> None:
    with pytest.raises(UserError) as caught:
        gan_params(None, loss="hinge", label_smoothing=0.1, clip_weights=0.1, packing=2)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "train_gan.clip_weights",
        "train_gan.label_smoothing",
        "train_gan.packing",
    ]
