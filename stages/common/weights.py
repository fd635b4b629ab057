"""Filling a network with the tensors of a file that anyone may have written: checked in full before it is built."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stages.common.shown import listed, printable

N = TypeVar("N", bound=nn.Module)
DRAWS = ("normal_", "uniform_")
"""In-place functions that draw: torch's, and those of torch.nn.init, by which its others draw too."""


def built_to_fit(build: Callable[[], N], tensors: Mapping[str, Tensor]) -> N:
    """The network that `build` gives, filled with the tensors.

    Names, dtypes and shapes are compared before any memory is taken for the network. Raises what `build` raises, and
    ValueError as require_fitting does.
    """
    with without_memory():
        outline = build()
    require_fitting(outline, tensors)
    net = build()
    net.load_state_dict(tensors)
    return net


@contextmanager
def without_memory() -> Iterator[None]:
    """In this block tensors and networks are made on torch's meta device: with shapes, and without numbers."""
    with torch.device("meta"), _WithoutDraws():
        yield


class _WithoutDraws(TorchFunctionMode):
    """Leaves out the drawing of initial weights: without memory there are none, and torch imports seconds of code."""

    def __torch_function__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in DRAWS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


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
