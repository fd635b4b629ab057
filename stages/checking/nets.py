"""What the networks of the params cost, and whether they work at all: measured without computing or holding them."""

import contextlib
from collections.abc import Callable

import torch

from stages.checking.limits import NetCost
from stages.common.errors import UserError
from stages.common.shown import plain
from stages.common.weights import without_memory

MOST_NUMBERS_TRIED = 10**8
"""Of a net that is tried with real numbers because torch cannot measure it without them."""


def net_cost(name: str, build: Callable[[], object], inputs: Callable[[], tuple[object, ...]]) -> NetCost | None:
    """Measure a net without computing it or holding its weights, on torch's meta device.

    name: for messages; build: makes the nn.Module; inputs: makes its forward arguments for a batch of two, which
    BatchNorm needs. Of a net that does something that needs real numbers, the outputs are only counted up to there; of
    one that cannot even be built without them, None is returned. Raises UserError for one that cannot be built at all,
    or cannot take such inputs.
    """
    numbers = outputs = 0

    def count(_module: object, _arguments: object, output: object) -> None:
        nonlocal outputs
        if isinstance(output, torch.Tensor):
            outputs += output.numel() // 2

    with without_memory(), torch.no_grad():
        try:
            net = build()
            assert isinstance(net, torch.nn.Module)
            numbers = sum(tensor.numel() for tensor in (*net.parameters(), *net.buffers()))
            for layer in net.modules():
                layer.register_forward_hook(count)
            net(*inputs())
        except RuntimeError:  # of which NotImplementedError is one
            measured = False
        else:
            measured = True
    if (
        not measured and numbers <= MOST_NUMBERS_TRIED
    ):  # also one that could not be built; a training would build it too
        _require_forward(name, build, inputs)
    return NetCost(numbers, outputs) if measured or numbers else None


def require_single(name: str, build: Callable[[], object], inputs: Callable[[], tuple[object, ...]]) -> None:
    """Raise UserError for a net that cannot be trained on a single row, which is all that inputs makes."""
    with without_memory(), torch.no_grad(), contextlib.suppress(RuntimeError):  # see net_cost
        try:
            net = build()
            assert isinstance(net, torch.nn.Module)
            net(*inputs())
        except ValueError:
            raise UserError(
                f"{name} normalises over what it sees at once, and a part of the batch holds one; raise "
                "train_gan.batch_size, or lower train_gan.shards or train_gan.packing"
            ) from None


def _require_forward(name: str, build: Callable[[], object], inputs: Callable[[], tuple[object, ...]]) -> None:
    """Raise UserError with torch's own words if the net fails with real numbers, too."""
    with torch.no_grad():
        try:
            net = build()
            assert isinstance(net, torch.nn.Module)
            net(*inputs())
        except RuntimeError as error:
            words = plain(" ".join(str(error).split())[:150])
            raise UserError(f"{name} fails on a batch of two: {words}") from None
