"""Filling a network with the tensors of a file that anyone may have written: checked in full before it is built."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from stages.common.shown import listed, printable

N = TypeVar("N", bound=nn.Module)


def built_to_fit(build: Callable[[], N], tensors: Mapping[str, Tensor]) -> N:
    """The network that `build` gives, filled with the tensors.

    Names, dtypes and shapes are compared before any memory is taken for the network. Raises what `build` raises, and
    ValueError as require_fitting does.
    """
    with torch.device("meta"):  # shapes without memory
        outline = build()
    require_fitting(outline, tensors)
    net = build()
    net.load_state_dict(tensors)
    return net


def require_fitting(net: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError, in one line that names them, if these cannot be the network's tensors.

    That is: of other names, dtypes or shapes, or with values that no training leaves: not finite, or variances below 0.
    """
    needed, stored = ({name: kind(tensor) for name, tensor in each.items()} for each in (net.state_dict(), tensors))
    wrong = sorted(name for name in needed.keys() | stored.keys() if needed.get(name) != stored.get(name))
    if wrong:
        pairs = [
            f"{printable(name)} {stored.get(name, 'missing')} in place of {needed.get(name, 'nothing')}"
            for name in wrong
        ]
        raise ValueError(listed(pairs))
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise ValueError(f"weights that are not finite in {listed(broken)}")
    if negative := [name for name, tensor in tensors.items() if name.endswith("running_var") and (tensor < 0).any()]:
        raise ValueError(f"variances below 0 in {listed(negative)}")


def kind(tensor: Tensor) -> str:
    """A tensor's dtype and shape, for a message."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
