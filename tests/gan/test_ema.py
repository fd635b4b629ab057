"""The moving average: its half-life, its ramp, and what it does with buffers."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from stages.gan.ema import ema_decay, frozen_copy, update_ema


class Net(nn.Module):
    """One weight, one statistic, one counter."""

    weight: Tensor
    statistic: Tensor
    counter: Tensor

    def __init__(self, value: float, counter: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((2, 3), value))
        self.register_buffer("statistic", torch.full((3,), 10 * value))
        self.register_buffer("counter", torch.tensor(counter))


@pytest.mark.parametrize("batch_kimg", [0.001, 0.128, 2.0])
def test_after_a_half_life_half_of_the_old_average_is_left(batch_kimg: float) -> None:
    steps = 50
    decay = ema_decay(batch_kimg, kimg=1e9, halflife_kimg=steps * batch_kimg)
    ema, zero = Net(1.0), Net(0.0)
    for _ in range(steps):
        update_ema(ema, zero, decay)
    assert_close(ema.weight, torch.full((2, 3), 0.5))
    assert_close(ema.statistic, torch.full((3,), 5.0))


@pytest.mark.parametrize("kimg", [1.0, 20.0, 199.0])
def test_early_the_half_life_is_a_part_of_the_images_seen(kimg: float) -> None:
    assert ema_decay(0.1, kimg, halflife_kimg=10) == pytest.approx(0.5 ** (0.1 / (0.05 * kimg)))


def test_the_ramp_ends_at_the_half_life_and_never_turns_back() -> None:
    decays = [ema_decay(0.1, kimg, halflife_kimg=10) for kimg in (0, 1, 50, 199, 200, 201, 10_000)]
    assert decays == sorted(decays)
    assert decays[4] == decays[5] == decays[6] == pytest.approx(0.5**0.01)


@pytest.mark.parametrize(("kimg", "halflife_kimg"), [(0, 10), (1000, 0)])
def test_without_a_half_life_the_average_is_the_network(kimg: float, halflife_kimg: float) -> None:
    ema = Net(1.0)
    update_ema(ema, Net(4.0, counter=3), ema_decay(0.1, kimg, halflife_kimg))
    assert_close(ema.state_dict(), Net(4.0, counter=3).state_dict())


def test_weights_and_statistics_are_averaged_and_counters_copied() -> None:
    ema, net = Net(1.0), Net(5.0, counter=7)
    update_ema(ema, net, 0.75)
    assert_close(ema.weight, torch.full((2, 3), 2.0))
    assert_close(ema.statistic, torch.full((3,), 20.0))
    assert ema.counter == 7
    assert_close(net.state_dict(), Net(5.0, counter=7).state_dict())


def test_frozen_copy_is_on_its_own() -> None:
    linear = nn.Linear(2, 2)
    net = nn.Sequential(linear, nn.BatchNorm1d(2)).train()
    copy = frozen_copy(net)
    expected = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with torch.no_grad():
        linear.weight.add_(1)
    net(torch.randn(8, 2))
    assert_close(copy.state_dict(), expected)
    assert not any(module.training for module in copy.modules())
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert all(module.training for module in net.modules())
