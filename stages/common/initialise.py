"""Initial weights from draws: a function of seed, purpose and parameter name, not of torch's global generator."""

import math

import torch
from torch import Tensor, nn

from stages.common import draws

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def initialise(module: nn.Module, seed: int, purpose: str) -> None:
    """Set every parameter of the module anew, in place.

    Weights of linear and convolutional layers: uniform in +-1/sqrt(fan_in), as torch's own default; biases zero;
    embeddings standard normal; scales of normalisation layers one. Raises TypeError for a layer without a rule.
    """
    for name, layer in module.named_modules():
        parameters = dict(layer.named_parameters(recurse=False))
        if not parameters:
            continue
        if isinstance(layer, WEIGHTED):
            _fill(layer.weight, (2 * _uniform(layer.weight, seed, f"{purpose} {name}") - 1) / math.sqrt(_fan_in(layer)))
        elif isinstance(layer, nn.Embedding):
            _fill(layer.weight, draws.normal(seed, f"{purpose} {name}", 0, tuple(layer.weight.shape)))
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
            _fill(layer.weight, torch.ones_like(layer.weight))
        else:
            raise TypeError(f"no rule to initialise {type(layer).__name__} ({name})")
        if "bias" in parameters:
            _fill(parameters["bias"], torch.zeros_like(parameters["bias"]))


def _uniform(weight: Tensor, seed: int, purpose: str) -> Tensor:
    return draws.uniform(seed, purpose, 0, tuple(weight.shape))


def _fan_in(layer: nn.Module) -> int:
    """How many inputs a unit sums: torch lays a transposed convolution's weight out as [inputs, outputs, ...]."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, nn.ConvTranspose2d):
        return weight.shape[1] * weight[0, 0].numel()  # torch's default counts here too: dimension 1
    return weight[0].numel()


def _fill(parameter: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values)
