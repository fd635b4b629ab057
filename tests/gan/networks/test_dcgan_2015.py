"""DCGAN as published: the layers that the paper names, in their order, and its initial weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.gan.networks.dcgan_2015 import Discriminator, Generator

CLASSES, Z_DIM = 10, 100


def players(side: int, d_normalisation: str = "batch") -> tuple[Generator, Discriminator]:
    options = {"width": 8, "d_normalisation": d_normalisation}
    G, D = (
        Generator([3, side, side], CLASSES, Z_DIM, **options),
        Discriminator([3, side, side], CLASSES, Z_DIM, **options),
    )
    G.initialise(0, "G")
    D.initialise(0, "D")
    return G, D


def kinds(net: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in net.get_submodule("body").children()]


@pytest.mark.parametrize(("side", "last"), [(28, 7), (32, 4), (64, 4)])
def test_resolutions_end_near_4(side: int, last: int) -> None:
    G, D = players(side)
    assert G.base[1:] == (last, last)
    assert D.num_features == G.base[0] * last * last


def test_batch_norm_everywhere_but_at_the_images() -> None:
    G, D = players(32)
    assert kinds(G) == ["BatchNorm2d", "ReLU", "ConvTranspose2d"] * 3 + ["Tanh"]
    hidden = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert kinds(D) == ["Conv2d", "LeakyReLU", *hidden, *hidden, "Flatten"]
    assert kinds(players(32, "none")[1]) == ["Conv2d", "LeakyReLU"] * 3 + ["Flatten"]


def test_initial_weights_deviate_by_a_fiftieth() -> None:
    for net in players(32):
        for layer in net.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_class_is_a_plane_of_ones_beside_the_image() -> None:
    _, D = players(32)
    seen: list[Tensor] = []
    D.body[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images, y = torch.rand(4, 3, 32, 32), torch.tensor([0, 3, 9, 3])
    D(images, y)
    assert_close(seen[0][:, :3], images)
    planes = seen[0][:, 3:]
    assert_close(planes.mean((2, 3)), torch.eye(CLASSES)[y])
    assert_close(planes, planes.round())
