"""What networks share, against torch's own functions."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.testing import assert_close

from stages.common.initialise import initialise
from stages.gan.layers import (
    ClassBeside,
    FilteredDown,
    FilteredUp,
    SelfAttention,
    SpectralNorm,
    iterate_spectral_norms,
    spectrally_normalise,
)

X = torch.arange(2 * 3 * 8 * 12).mul(0.7).sin().view(2, 3, 8, 12)
INSIDE = (..., slice(2, -2), slice(2, -2))
"""Away from the border, where there are no neighbours to take into the mean."""


def test_down_is_a_filter_and_a_1x1_convolution() -> None:
    layer = FilteredDown(3, 5)
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    filtered = F.conv2d(X, torch.outer(taps, taps).expand(3, 1, 4, 4), stride=2, padding=1, groups=3)
    assert_close(layer(X), F.conv2d(filtered, layer.weight))


def test_up_is_a_1x1_convolution_and_bilinear_interpolation() -> None:
    layer = FilteredUp(3, 5)
    expected = F.interpolate(F.conv2d(X, layer.weight), scale_factor=2, mode="bilinear", align_corners=False)
    assert layer(X).shape == (2, 5, 16, 24)
    assert_close(layer(X)[INSIDE], expected[INSIDE])


def test_a_constant_image_stays_constant_through_both() -> None:
    down, up = FilteredDown(1, 1), FilteredUp(1, 1)
    for layer in (down, up):
        nn.init.ones_(layer.weight)
        assert_close(layer(torch.full((1, 1, 8, 8), 0.5))[..., 1:-1, 1:-1].unique(), torch.tensor([0.5]))


def test_self_attention() -> None:
    layer, x = SelfAttention(16), torch.arange(2 * 16 * 6).mul(0.3).sin().view(2, 16, 2, 3)
    initialise(layer, 0, "test")
    assert torch.equal(layer(x), x)
    nn.init.constant_(layer.gain.weight, 0.5)

    def tokens(part: nn.Module) -> Tensor:
        return part(x).flatten(2).transpose(1, 2)

    seen = F.scaled_dot_product_attention(tokens(layer.query), tokens(layer.key), tokens(layer.value), scale=1.0)
    expected = x + 0.5 * layer.out(seen.transpose(1, 2).reshape(2, 8, 2, 3))
    assert_close(layer(x), expected)
    assert not torch.allclose(expected, x, atol=1e-2)


def spectral() -> nn.Sequential:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(5, 4), nn.BatchNorm1d(4))
    spectrally_normalise(net)
    initialise(net, 0, "test")
    return net


def vectors(net: nn.Module) -> list[Tensor]:
    return [buffer.clone() for part in net.modules() if isinstance(part, SpectralNorm) for buffer in part.buffers()]


def test_a_power_iteration_is_algorithm_1_and_many_find_the_largest_singular_value() -> None:
    net = spectral()
    weight = net.get_parameter("2.parametrizations.weight.original").data
    weight.mul_(torch.tensor([[4.0], [1], [0.1], [3]]))  # as a step of training would move it
    u = net.get_buffer("2.parametrizations.weight.0.u").clone()
    v = weight.T @ u / (weight.T @ u).norm()
    u = weight @ v / (weight @ v).norm()
    iterate_spectral_norms(net)
    assert_close(net[2].weight, weight / (u @ weight @ v))
    for _ in range(50):
        iterate_spectral_norms(net)
    assert torch.linalg.matrix_norm(net[2].weight, 2).item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_passes_leave_the_vectors_as_they_are_and_iterations_alone_move_them(training: bool) -> None:
    net = spectral().train(training)
    net.get_parameter("2.parametrizations.weight.original").data[0] *= 5
    before = vectors(net)
    first = net[2](torch.ones(3, 5))
    assert torch.equal(net[2](torch.ones(3, 5)), first)
    assert all(map(torch.equal, vectors(net), before))
    iterate_spectral_norms(net)
    assert not all(map(torch.equal, vectors(net), before))


def test_spectral_normalisation_leaves_other_layers_alone() -> None:
    kinds = [type(part).__name__ for part in spectral().modules()]
    assert kinds.count("SpectralNorm") == 2
    assert "BatchNorm1d" in kinds


def test_class_beside() -> None:
    x, y = torch.zeros(2, 3), torch.tensor([1, 0])
    assert ClassBeside(2, "one_hot")(x, y).tolist() == [[0, 0, 0, 0, 1], [0, 0, 0, 1, 0]]
    assert ClassBeside(0, "embedding")(x, y) is x
