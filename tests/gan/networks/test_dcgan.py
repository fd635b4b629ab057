"""DCGAN's own formulas, written out once more with plain tensor operations."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.testing import assert_close

from stages.common.initialise import initialise
from stages.gan.networks.dcgan import Discriminator, Generator

Z_DIM, WIDTH, CLASSES, BATCH = 6, 4, 3, 5


def tensors(net: nn.Module) -> dict[str, Tensor]:
    """The weights and buffers, moved off the values that initialisation gives alike (biases 0, scales 1)."""
    initialise(net, 0, "test")
    with torch.no_grad():
        for number, tensor in enumerate([*net.parameters(), *(b for b in net.buffers() if b.is_floating_point())]):
            tensor.add_(0.1 * torch.linspace(0, 7, tensor.numel()).add(number).sin().view_as(tensor))
    return dict(net.state_dict())


def rows(width: int) -> Tensor:
    return torch.linspace(-20, 23, BATCH * width).sin().view(BATCH, width)


def normalised(x: Tensor) -> Tensor:
    return x / x.square().mean(dim=1, keepdim=True).sqrt()


def batch_norm(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    shape = (1, -1, 1, 1)
    mean, var = (w[f"{name}.running_{kind}"].view(shape) for kind in ("mean", "var"))
    return (x - mean) / (var + 1e-5).sqrt() * w[f"{name}.weight"].view(shape) + w[f"{name}.bias"].view(shape)


@pytest.mark.parametrize("num_classes", [0, CLASSES])
def test_generator(num_classes: int) -> None:
    G = Generator([1, 28, 28], num_classes, Z_DIM, WIDTH).eval()
    w, z, y = tensors(G), rows(Z_DIM), torch.arange(BATCH) % CLASSES
    w["body.8.weight"].mul_(8)  # so that some pixels are cut off and others are not
    x = normalised(z)
    if num_classes:
        x = torch.cat([x, normalised(w["embedding.weight"][y])], dim=1)
    x = (x @ w["project.weight"].T).view(BATCH, 2 * WIDTH, 7, 7)
    x = batch_norm(x, w, "body.0").clamp(min=0)
    x = F.conv_transpose2d(x, w["body.2.weight"], stride=2, padding=1)
    x = batch_norm(x, w, "body.3").clamp(min=0)
    x = F.conv_transpose2d(x, w["body.5.weight"], stride=2, padding=1)
    x = batch_norm(x, w, "body.6").clamp(min=0)
    x = F.conv2d(x, w["body.8.weight"], w["body.8.bias"], padding=1)
    expected = (2**0.5 * x.tanh()).clamp(-1, 1)
    assert 0.05 < (expected.abs() == 1).float().mean() < 0.95
    assert_close(G(z, y), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_classes", [0, CLASSES])
def test_discriminator(num_classes: int) -> None:
    """Miyato and Koyama 2018, equation 3, the second term divided by the root of the number of features."""
    D = Discriminator([1, 28, 28], num_classes, Z_DIM, WIDTH)
    w, images, y = tensors(D), rows(28 * 28).view(BATCH, 1, 28, 28), torch.arange(BATCH) % CLASSES
    x = torch.cat([images[:, :, row::2, column::2] for row in range(2) for column in range(2)], dim=1)
    for layer, stride in (("body.0", 1), ("body.2", 2)):
        x = F.conv2d(x, w[f"{layer}.weight"], w[f"{layer}.bias"], stride=stride, padding=1)
        x = torch.where(x > 0, x, 0.2 * x)
    x = x.flatten(1) @ w["body.5.weight"].T + w["body.5.bias"]
    x = torch.where(x > 0, x, 0.2 * x)
    logits = x @ w["head.weight"][0] + w["head.bias"]
    if num_classes:
        logits = logits + (w["embedding.weight"][y] * x).sum(dim=1) / math.sqrt(4 * WIDTH)
    assert_close(D(images, y), logits, rtol=1e-4, atol=1e-5)
