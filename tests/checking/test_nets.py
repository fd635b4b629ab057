"""Networks are measured without being made, and tried only where that is needed."""

import pytest
import torch
from torch import Tensor, nn

from stages.checking.limits import NetCost
from stages.checking.nets import net_cost
from stages.common.errors import UserError


class Net(nn.Module):
    """Two layers whose sizes one can count on fingers, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 7)
        self.norm = nn.BatchNorm1d(7, affine=False)
        self.last = nn.Linear(7, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)))


def test_a_net_is_counted_without_being_made() -> None:
    parameters = 5 * 7 + 7 + 7 * 3 + (7 + 7 + 1)  # BatchNorm: mean, variance, number of batches
    outputs = 7 + 7 + 3 + 3  # the last layer's are the net's own too
    assert net_cost("G", Net, lambda: (torch.zeros(2, 5),)) == NetCost(parameters, outputs)
    state = Net().state_dict()
    assert sum(tensor.numel() for tensor in state.values()) == parameters


def test_a_net_that_no_memory_holds_is_counted_too() -> None:
    cost = net_cost("G", lambda: nn.Linear(10**7, 10**7, bias=False), lambda: (torch.zeros(2, 10**7),))
    assert cost == NetCost(10**14, 10**7)


def test_a_net_that_needs_numbers_is_not_estimated() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    assert net_cost("G", Branching, lambda: (torch.zeros(2, 5),)) is None


def test_a_net_that_cannot_be_built_without_numbers_is_not_estimated_and_one_that_never_can_is_refused() -> None:
    def build(columns: int) -> nn.Module:
        layer = nn.Linear(5, columns)
        assert (torch.ones(2, 3) @ torch.ones(columns, 1)).sum().item() == 6
        return layer

    assert net_cost("G", lambda: build(3), lambda: (torch.zeros(2, 5),)) is None
    with pytest.raises(UserError, match=r"^G fails on a batch of two: .*mat1 and mat2 shapes .* \(2x3 and 4x1\)$"):
        net_cost("G", lambda: build(4), lambda: (torch.zeros(2, 5),))


def test_of_one_too_large_to_try_the_parameters_count() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(10**7, 10**7, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if x.sum() > 0 else -x

    assert net_cost("G", Branching, lambda: (torch.zeros(2, 10**7),)) == NetCost(10**14, 0)


def test_a_net_whose_layers_do_not_fit_is_refused_in_torchs_words() -> None:
    with pytest.raises(UserError, match=r"^G fails on a batch of two: .*mat1 and mat2 shapes .* \(2x7 and 8x3\)$"):
        net_cost("G", lambda: nn.Sequential(nn.Linear(5, 7), nn.Linear(8, 3)), lambda: (torch.zeros(2, 5),))
