"""What check says of penalties, and of the section that holds the options of networks."""

from pathlib import Path
from typing import Any

import pytest
import torch

from stages.gan import architectures
from stages.gan.networks import dcgan
from tests.test_check import MISSING, changed, refusal, run


@pytest.mark.parametrize(
    "penalties",
    [
        {},
        {"r1": 0},
        {"r1": 1},
        {"r2": 1.5, "wgan_gp": 10.0},
        {"r1": {"weight": 1.0, "part": 0.25, "interval": 4}, "r2": 1.0},
    ],
)
def test_penalties_are_weights_or_weights_with_part_and_interval(penalties: dict[str, Any], tmp_path: Path) -> None:
    run(tmp_path, changed("train_gan.penalties", penalties))


@pytest.mark.parametrize(
    ("penalties", "expected"),
    [
        ({"r3": 1.0}, "train_gan.penalties.r3: expected one of dragan, r1, r2, wgan_gp, found 'r3'"),
        ({"r1": -1.0}, "train_gan.penalties.r1.weight: expected greater than or equal to 0, found -1.0"),
        ({"r1": "abc"}, "train_gan.penalties.r1: expected a weight, or weight, part and interval, found 'abc'"),
        ({"r1": True}, "train_gan.penalties.r1: expected a weight, or weight, part and interval, found True"),
        (
            {"r1": {"weight": 1.0, "part": 0.0, "interval": 1}},
            "train_gan.penalties.r1.part: expected greater than 0, found 0.0",
        ),
        (
            {"r1": {"weight": 1.0, "part": 1.0, "interval": 0}},
            "train_gan.penalties.r1.interval: expected greater than or equal to 1, found 0",
        ),
        (
            {"r1": {"weight": 1.0, "part": 1.0, "every": 4, "interval": 1}},
            "train_gan.penalties.r1.every: unknown key; train_gan.penalties.r1 has the keys weight, part, interval, "
            "difference",
        ),
    ],
)
def test_wrong_penalties_are_one_line(penalties: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, changed("train_gan.penalties", penalties)) == f"params.yaml: {expected}"


def test_choices_that_make_no_sense_together_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    """All of them: tests/gan/test_contradictions.py."""
    assert refusal(tmp_path, changed("train_gan.packing", 2)) == (
        "params.yaml: train_gan.packing: D judges packs, and the penalties are on its slope at a single image; "
        "expected 1, or weight 0 for r1, found 2"
    )


def test_missing_keys_of_a_penalty_are_described(tmp_path: Path) -> None:
    lines = refusal(tmp_path, changed("train_gan.penalties", {"r1": {"weight": 1.0}})).splitlines()
    assert sorted(line.split(": ")[1:3] for line in lines) == [
        ["train_gan.penalties.r1.interval", "missing key; taken at every n-th step of D, with the weight times n"],
        ["train_gan.penalties.r1.part", "missing key; share of each part of the batch that it is taken on"],
    ]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("networks", MISSING, "section networks.dcgan is missing; it needs the keys width"),
        ("networks", {}, "section networks.dcgan is missing; it needs the keys width"),
        ("networks.dcgan.width", 0, "networks.dcgan.width: expected greater than or equal to 1, found 0"),
        ("networks.dcgan.depth", 3, "networks.dcgan.depth: unknown key; networks.dcgan has the keys width"),
        ("networks.dcgam", {}, f"networks.dcgam: unknown network; expected {', '.join(architectures.names())}"),
    ],
)
def test_options_of_networks(key: str, value: Any, expected: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, changed(key, value)) == f"params.yaml: {expected}"


def test_a_network_of_ones_own_whose_layers_do_not_fit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcgan.Generator, "forward", lambda _self, z, _y: z @ torch.zeros(3, 5))
    line = refusal(tmp_path, changed("train_gan.z_dim", 8))
    assert line.startswith("params.yaml: networks.dcgan: its Generator fails on a batch of two: ")
    assert line.endswith("mat1 and mat2 shapes cannot be multiplied (2x8 and 3x5)")


@pytest.mark.parametrize(
    ("key", "value", "net"),
    [("g_normalisation", {"packing": 1, "batch_size": 4}, "Generator"), ("d_normalisation", {"packing": 4}, "Discrim")],
)
def test_batch_norm_over_a_single_image_or_pack_is_refused(
    key: str, value: dict[str, Any], net: str, tmp_path: Path
) -> None:
    content = changed("train_gan.network", "mlp")
    content["train_gan"] |= {"penalties": {}, "shards": 4, "batch_size": 16} | value
    content["networks"]["mlp"] |= {key: "batch"}
    line = refusal(tmp_path, content)
    assert line.startswith(f"params.yaml: networks.mlp: its {net}")
    assert line.endswith("raise train_gan.batch_size, or lower train_gan.shards or train_gan.packing")
    content["train_gan"]["batch_size"] = 64
    assert run(tmp_path, content).exists()


def test_batch_norm_in_d_does_not_go_together_with_a_penalty(tmp_path: Path) -> None:
    text = changed("train_gan.network", "dcgan_2015")
    reason = "a penalty is on D's slope at one image, and BatchNorm makes it depend on all images of a part"
    expected = "expected another, or weight 0 for r1 of train_gan.penalties, found batch"
    assert refusal(tmp_path, text) == f"params.yaml: networks.dcgan_2015.d_normalisation: {reason}; {expected}"
