"""The fully connected networks, written out once more with plain tensor operations."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.common.initialise import initialise
from stages.gan.networks.mlp import Discriminator, Generator

Z_DIM, CLASSES, BATCH = 6, 3, 5
OPTIONS: dict[str, Any] = {
    "g_hidden": [7, 8],
    "d_hidden": [9],
    "g_normalisation": "none",
    "d_normalisation": "none",
    "norm_eps": 0.5,
    "slope": 0.02,
    "class_input": "one_hot",
}


def tensors(net: nn.Module) -> dict[str, Tensor]:
    """The weights, moved off the values that initialisation gives alike (biases 0, scales 1)."""
    initialise(net, 0, "test")
    with torch.no_grad():
        for number, tensor in enumerate(net.parameters()):
            tensor.add_(0.1 * torch.linspace(0, 7, tensor.numel()).add(number).sin().view_as(tensor))
    return dict(net.state_dict())


def rows(width: int) -> Tensor:
    return torch.linspace(-20, 23, BATCH * width).sin().view(BATCH, width)


def leaky(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.02 * x)


def linear(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def standardised(x: Tensor, dim: int, w: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = x.mean(dim, keepdim=True), x.var(dim, correction=0, keepdim=True)
    return (x - mean) / (variance + 0.5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


@pytest.mark.parametrize("num_classes", [0, CLASSES])
def test_without_normalisation(num_classes: int) -> None:
    G, D = (Net([1, 4, 8], num_classes, Z_DIM, **OPTIONS) for Net in (Generator, Discriminator))
    y = torch.arange(BATCH) % CLASSES
    beside = [torch.eye(CLASSES)[y]] if num_classes else []
    w, x = tensors(G), torch.cat([rows(Z_DIM), *beside], dim=1)
    for layer in ("body.0", "body.2"):
        x = leaky(linear(x, w, layer))
    assert_close(G(rows(Z_DIM), y), linear(x, w, "body.4").tanh().view(BATCH, 1, 4, 8))
    w, x = tensors(D), torch.cat([rows(32), *beside], dim=1)
    assert_close(D(rows(32).view(BATCH, 1, 4, 8), y), linear(leaky(linear(x, w, "body.0")), w, "head").squeeze(1))


def test_class_as_a_learned_vector() -> None:
    G = Generator([1, 4, 8], CLASSES, Z_DIM, **OPTIONS | {"class_input": "embedding", "g_hidden": [7]})
    w, y = tensors(G), torch.arange(BATCH) % CLASSES
    x = torch.cat([rows(Z_DIM), w["beside.embedding.weight"][y]], dim=1)
    expected = linear(leaky(linear(x, w, "body.0")), w, "body.2").tanh()
    assert_close(G(rows(Z_DIM), y), expected.view(BATCH, 1, 4, 8))


def test_batch_norm_is_before_the_activation_and_over_the_batch() -> None:
    options = OPTIONS | {"g_normalisation": "batch", "g_hidden": [7]}
    G, y = Generator([1, 4, 8], 0, Z_DIM, **options), torch.zeros(BATCH, dtype=torch.int64)
    w = tensors(G)
    x = leaky(standardised(linear(rows(Z_DIM), w, "body.0"), 0, w, "body.1"))
    assert_close(G(rows(Z_DIM), y), linear(x, w, "body.3").tanh().view(BATCH, 1, 4, 8))


def test_layer_norm_is_after_the_activation_and_over_the_units() -> None:
    D, y = Discriminator([1, 4, 8], 0, Z_DIM, **OPTIONS | {"d_normalisation": "layer"}), torch.zeros(BATCH).long()
    w = tensors(D)
    x = standardised(leaky(linear(rows(32), w, "body.0")), 1, w, "body.2")
    assert_close(D(rows(32).view(BATCH, 1, 4, 8), y), linear(x, w, "head").squeeze(1))
