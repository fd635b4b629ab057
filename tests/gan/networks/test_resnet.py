"""Residual networks: a block written out once more, and what fix-up promises of the first pass."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.testing import assert_close

from stages.common.initialise import initialise
from stages.gan.networks.resnet import Block, Discriminator, Generator, Options

OPTIONS: dict[str, Any] = {
    "width": 16,
    "blocks": 3,
    "expansion": 2,
    "group_channels": 8,
    "normalisation": "none",
    "attention": True,
}


def test_a_block_is_a_bottleneck_with_groups_beside_the_identity() -> None:
    block = Block(8, Options.model_validate(OPTIONS))
    initialise(block, 0, "test")
    w, x = dict(block.state_dict()), torch.arange(2 * 8 * 30).mul(0.3).sin().view(2, 8, 5, 6)
    inner = F.leaky_relu(torch.einsum("oi,bihw->bohw", w["body.0.weight"].flatten(1), x), 0.2)
    first, second = w["body.2.weight"].chunk(2)
    halves = [F.conv2d(inner[:, :8], first, padding=1), F.conv2d(inner[:, 8:], second, padding=1)]
    inner = F.leaky_relu(torch.cat(halves, 1), 0.2)
    assert_close(block(x), x + torch.einsum("oi,bihw->bohw", w["body.4.weight"].flatten(1), inner))


def test_blocks_and_attention_begin_as_the_identity() -> None:
    G = Generator([1, 28, 28], 0, 8, **OPTIONS)
    G.initialise(0, "G")
    x = torch.rand(2, 32, 7, 7)
    for layer in list(G.body.children())[:4]:
        assert torch.equal(layer(x), x)


def test_first_layers_of_a_block_are_scaled_down_by_the_number_of_blocks() -> None:
    """Fix-up, rule 2, for blocks of three layers: by the fourth root; two stages of 1 or of 16 blocks."""
    few, many = (Generator([1, 28, 28], 0, 8, **OPTIONS | {"blocks": blocks}) for blocks in (1, 16))
    for net in (few, many):
        net.initialise(0, "G")
    for name in ("body.0.body.0.weight", "body.0.body.2.weight"):
        assert_close(many.get_parameter(name) * 2, few.get_parameter(name))
    assert not any(net.get_parameter("body.0.body.4.weight").any() for net in (few, many))


def test_every_layer_of_a_spectral_d_has_norm_1_and_its_blocks_are_no_identities() -> None:
    D = Discriminator([1, 28, 28], 3, 8, **OPTIONS | {"normalisation": "spectral"})
    D.initialise(0, "D")
    for layer in D.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.05)


def test_channels_that_groups_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected group_channels to divide the 64 channels of a block, found 24$"):
        Generator([1, 28, 28], 0, 8, **OPTIONS | {"group_channels": 24})
