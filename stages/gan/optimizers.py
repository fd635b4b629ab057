"""Optimisers by name, and their state as named tensors whatever the optimiser keeps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from stages.common.compiler import uncompiled

BuildOptimizer = Callable[[list[Parameter], float, tuple[float, float]], Optimizer]
"""(parameters, learning rate, betas) to an optimiser; betas are the decay rates of the gradient's mean and square."""

NO_WARNING = "_warned_capturable_if_run_uncaptured"
"""torch's own mark that it has warned of steps outside of a graph: those before the record are meant to be."""
OPTIMIZERS: dict[str, BuildOptimizer] = {
    # Kingma and Ba 2014, "Adam: a method for stochastic optimization", algorithm 1.
    "adam": uncompiled(Adam),
    # Loshchilov and Hutter 2017, "Decoupled weight decay regularization", with torch's weight decay of 0.01.
    "adamw": uncompiled(AdamW),
    # Tieleman and Hinton 2012, lecture 6.5; the mean is kept as momentum.
    "rmsprop": lambda parameters, lr, betas: uncompiled(RMSprop)(parameters, lr, alpha=betas[1], momentum=betas[0]),
    # With momentum; the second of betas has no part in it.
    "sgd": lambda parameters, lr, betas: uncompiled(SGD)(parameters, lr, momentum=betas[0]),
}


def count_on_device(optimizer: Optimizer) -> None:
    """Let it count its steps on the GPU and read the learning rate there, so that it never waits for the CPU.

    As one kernel for all parameters (`fused`) where torch has that, which reads a rate of float32 [] too.
    """
    for group in optimizer.param_groups:
        group.update({key: True for key in ("capturable", "fused") if key in group})
    setattr(optimizer, NO_WARNING, True)


def set_learning_rate(optimizer: Optimizer, lr: float | Tensor) -> None:
    """From the next step on; lr: a number, or float64 [], which a GPU's kernels read as float32."""
    if isinstance(lr, Tensor) and lr.device.type == "cuda":
        lr = lr.float()
    for group in optimizer.param_groups:
        group["lr"] = lr


@torch.no_grad()
def clip_weights(net: nn.Module, largest: float) -> None:
    """Put every weight of the net into [-largest, largest], in place; 0 leaves them alone.

    Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1, line 7: it keeps D Lipschitz.
    """
    if largest:
        for parameter in net.parameters():
            parameter.clamp_(-largest, largest)


def optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    """What the optimiser keeps of each parameter, as <number of the parameter>.<torch's name for it>.

    Raises TypeError if it keeps anything but tensors, for a checkpoint would lose that.
    """
    tensors: dict[str, Tensor] = {}
    for index, kept in optimizer.state_dict()["state"].items():
        for key, value in kept.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            elif value is not None:
                raise TypeError(f"{type(optimizer).__name__} keeps {key} = {value!r}: expected a tensor")
    return tensors


def load_optimizer_state(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Continue from what optimizer_state gave, on the parameters' device and in their memory layout."""
    kept: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        kept.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": kept, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[key] = torch.empty_like(parameter).copy_(value)
