"""Forward passes in blocks: a row's bits do not depend on how many rows there are."""

import pytest
import torch
from torch import Tensor, nn

from stages.common.blocks import BLOCK_SIZE, in_blocks

NUM_ROWS = 255


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 4, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 13 * 13, 64)).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(NUM_ROWS, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("n", [1, 2, 99, 100, 101, 255])
def test_same_bits_for_any_number_of_rows(net: nn.Module, images: Tensor, n: int) -> None:
    found = in_blocks(net, images[:n])
    assert found.shape == (n, 64)
    assert torch.equal(found, in_blocks(net, images)[:n])


def test_values_of_the_plain_pass(net: nn.Module, images: Tensor) -> None:
    found = in_blocks(net, images)
    assert not found.requires_grad
    torch.testing.assert_close(found, net(images).detach())


def test_several_inputs_walk_together() -> None:
    z, y = torch.arange(250.0)[:, None], torch.arange(250) % 10
    sizes = []

    def function(z: Tensor, y: Tensor) -> Tensor:
        sizes.append((len(z), len(y)))
        return z + 1000 * y[:, None]

    assert torch.equal(in_blocks(function, z, y), z + 1000 * y[:, None])
    assert sizes == [(BLOCK_SIZE, BLOCK_SIZE)] * 3
