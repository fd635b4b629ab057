"""Initial weights: torch's own distribution, but a function of seed, purpose and name alone."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.testing import assert_close

from stages.common.initialise import initialise, set_deviation
from stages.gan.layers import Gain, spectrally_normalise

# Each with the number of inputs that torch's default counts for it.
WEIGHTED: list[tuple[nn.Module, int]] = [
    (nn.Linear(50, 80), 50),
    (nn.Conv2d(6, 40, 3), 6 * 9),
    (nn.Conv2d(8, 40, 3, groups=2), 4 * 9),
    (nn.ConvTranspose2d(24, 10, 4), 10 * 16),
]


def weights(module: nn.Module, seed: int = 0, purpose: str = "test") -> dict[str, Tensor]:
    initialise(module, seed, purpose)
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


@pytest.mark.parametrize(("layer", "fan_in"), WEIGHTED, ids=[str(layer) for layer, _ in WEIGHTED])
def test_weights_are_distributed_as_torchs_own(layer: nn.Module, fan_in: int) -> None:
    """Uniform in +-1/sqrt(fan_in): the largest of thousands comes near the bound, the deviation is bound/sqrt(3)."""
    layer.get_parameter("weight").detach().fill_(9)
    layer.get_parameter("bias").detach().fill_(9)
    bound, found = 1 / math.sqrt(fan_in), weights(layer)
    weight = found["weight"]
    assert 0.99 * bound < weight.max() <= bound
    assert -bound <= weight.min() < -0.99 * bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert weight.mean().abs() < 0.05 * bound
    assert not found["bias"].any()
    type(layer).reset_parameters(layer)  # type: ignore[attr-defined]
    assert layer.get_parameter("weight").abs().max().item() == pytest.approx(bound, rel=0.01)


def test_embeddings_are_standard_normal() -> None:
    weight = weights(nn.Embedding(100, 50))["weight"]
    assert_close([weight.mean().item(), weight.std().item()], [0.0, 1.0], rtol=0, atol=0.05)
    assert weight.abs().max() > 2.5


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(5), nn.BatchNorm2d(5), nn.LayerNorm(5), nn.GroupNorm(1, 5)], ids=str)
def test_normalisation_starts_as_the_identity(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        parameter.detach().fill_(9)
    assert_close(weights(layer), {"weight": torch.ones(5), "bias": torch.zeros(5)})


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))


def test_the_same_whatever_the_state_of_torchs_generator() -> None:
    torch.manual_seed(1)
    first = weights(network())
    torch.manual_seed(2)
    assert_close(weights(network()), first, rtol=0, atol=0)


@pytest.mark.parametrize(("seed", "purpose"), [(1, "test"), (0, "other"), (2**32, "test")])
def test_other_seeds_and_purposes_give_other_weights(seed: int, purpose: str) -> None:
    first, other = weights(network()), weights(network(), seed, purpose)
    for name in ("0.weight", "3.0.weight", "3.1.weight"):
        assert not torch.equal(first[name], other[name])


def test_layers_of_one_shape_differ_and_do_not_depend_on_each_other() -> None:
    found = weights(network())
    assert not torch.equal(found["0.weight"], found["3.0.weight"])
    assert not torch.equal(found["3.0.weight"], found["3.1.weight"])
    longer = nn.Sequential(*network().children(), nn.Linear(4, 9))
    assert_close({name: value for name, value in weights(longer).items() if name in found}, found, rtol=0, atol=0)


def test_layout_in_memory_does_not_matter() -> None:
    plain, last = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    assert_close(weights(plain), weights(last), rtol=0, atol=0)
    assert last.weight.is_contiguous(memory_format=torch.channels_last)


class OwnParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


@pytest.mark.parametrize("layer", [nn.LSTM(2, 2), OwnParameter()], ids=["LSTM", "OwnParameter"])
def test_a_layer_without_a_rule_is_an_error_that_names_it(layer: nn.Module) -> None:
    with pytest.raises(TypeError, match=rf"{type(layer).__name__} \(1\)"):
        initialise(nn.Sequential(nn.Linear(2, 2), layer), 0, "test")


def spectral() -> nn.Module:
    net = nn.Sequential(nn.Linear(5, 4), nn.Conv2d(2, 3, 3), nn.PReLU(3))
    spectrally_normalise(net)
    return net


def test_slopes_of_prelu() -> None:
    assert weights(nn.Sequential(nn.PReLU(3)))["0.weight"].tolist() == [0.25] * 3


def test_a_layer_may_say_what_its_weight_starts_from() -> None:
    gain = Gain()
    nn.init.constant_(gain.weight, 9)
    assert weights(nn.Sequential(gain))["0.weight"].item() == 0


def test_a_parametrised_layer_starts_from_the_weights_of_the_plain_one() -> None:
    plain, normalised = weights(nn.Sequential(nn.Linear(5, 4))), weights(spectral())
    assert torch.equal(normalised["0.parametrizations.weight.original"], plain["0.weight"])


def test_spectral_normalisation_does_not_depend_on_torchs_generator() -> None:
    """Its vectors too."""
    states = []
    for torch_seed in (1, 2):
        torch.manual_seed(torch_seed)
        network = spectral()
        initialise(network, 0, "test")
        states.append(network.state_dict())
    assert_close(states[0], states[1], rtol=0, atol=0)
    assert any(name.endswith(".u") for name in states[0])


def test_spectral_normalisation_starts_at_the_largest_singular_value() -> None:
    layer = spectral()
    initialise(layer, 0, "test")
    for name in ("0.weight", "1.weight"):
        weight = getattr(layer.get_submodule(name[0]), "weight").flatten(1)  # noqa: B009 (computed, no parameter)
        assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, rel=1e-2)


def test_a_parametrisation_with_buffers_that_nobody_sets_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match=r"parametrisation _SpectralNorm \(test 0 weight\)"):
        initialise(nn.Sequential(parametrizations.spectral_norm(nn.Linear(5, 4))), 0, "test")


@pytest.mark.parametrize("layer", [layer for layer, _ in WEIGHTED], ids=str)
def test_weights_may_be_scaled_to_a_deviation(layer: nn.Module) -> None:
    initialise(layer, 0, "test")
    before = layer.get_parameter("weight").clone()
    set_deviation(layer, 0.02)
    weight = layer.get_parameter("weight").detach()
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert_close(weight / weight.std(), before / before.std())


def test_a_parametrisation_of_several_tensors_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match=r"several tensors \(0.weight\)"):
        initialise(nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 2))), 0, "test")
