"""Folded weights give the generator's images, and generators that a page cannot hold are refused."""

import base64

import pytest
import torch
from torch.nn.functional import conv2d, conv_transpose2d

from stages.gan.layers import latent_and_class
from stages.reporting.weights import MOST_WEIGHTS, Layers, halved, layers_of, why_only_pictures
from tests.reporting.finished import random_generator


def images_of(layers: Layers, x: torch.Tensor) -> torch.Tensor:
    """By torch's functions, from the halves; x: what G's linear layer begins with."""
    tensors = {name: tensor.float() for name, tensor in layers.tensors.items()}
    channels, height, width = layers.widths[0], layers.image_shape[1] // 4, layers.image_shape[2] // 4
    x = (x @ tensors["project"].T).view(-1, channels, height, width) + tensors["project_shift"].view(-1, 1, 1)
    for name in ("up", "again"):
        x = conv_transpose2d(x.relu(), tensors[name], tensors[f"{name}_shift"], stride=2, padding=1)
    return (2**0.5 * conv2d(x.relu(), tensors["last"], tensors["last_shift"], padding=1).tanh()).clamp(-1, 1)


def test_folded_halves_give_the_generator_s_images() -> None:
    generator, meta = random_generator(width=8, z_dim=16)
    z, y = torch.randn(50, 16, generator=torch.Generator().manual_seed(1)), torch.arange(50) % 10
    with torch.no_grad():
        expected = generator(z, y)
        actual = images_of(layers_of(generator, meta["arguments"]), latent_and_class(z, y, generator.embedding))  # type: ignore[arg-type]
    assert expected.std() > 0.2
    torch.testing.assert_close(actual, expected, rtol=0, atol=1 / 127.5)


def test_the_numbers_are_little_endian_and_in_their_places() -> None:
    layers = Layers(
        [1, 4, 4], 2, 0, [1, 1, 1], {"a": torch.tensor([1.0, -2.0]).half(), "b": torch.tensor([[0.5]]).half()}
    )
    content = layers.content()
    assert content["layout"] == {"a": {"start": 0, "shape": [2]}, "b": {"start": 2, "shape": [1, 1]}}
    assert base64.b64decode(content["numbers"]) == bytes([0x00, 0x3C, 0x00, 0xC0, 0x00, 0x38])  # IEEE 754 binary16


def test_what_halves_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="a weight of 7e\\+04 is too large for half precision"):
        halved(torch.tensor([1.0, 70_000.0]))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"network": "resnet"}, "it computes the network dcgan, and this one is resnet"),
        ({"num_classes": 1000}, "nobody could choose from 1,000 classes here"),
        ({"image_shape": [4, 28, 28]}, "images of 4 channels have no colours"),
        ({"count": MOST_WEIGHTS + 1}, "this generator has 1,500,001 weights, and it carries 1,500,000 at most"),
    ],
)
def test_a_generator_that_the_page_cannot_compute_is_named(change: dict[str, object], expected: str | None) -> None:
    arguments = {"image_shape": [1, 28, 28], "num_classes": 10} | change
    meta = {"network": change.get("network", "dcgan"), "arguments": arguments}
    assert why_only_pictures(meta, {"all": torch.empty(int(str(change.get("count", 5))), device="meta")}) == expected
