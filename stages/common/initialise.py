"""Initial weights from draws: a function of seed, purpose and parameter name, not of torch's global generator."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from stages.common import draws

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
SCALED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
PRELU_SLOPE = 0.25
"""He et al. 2015, "Delving deep into rectifiers", section 2.1; torch's default too."""


def initialise(module: nn.Module, seed: int, purpose: str) -> None:
    """Set every parameter of the module anew, in place.

    Weights of linear and convolutional layers: uniform in +-1/sqrt(fan_in), as torch's own default; biases zero;
    embeddings standard normal; scales of normalisation layers one; slopes of PReLU 0.25. A layer of another kind says
    what its weight starts from: a float, `initial_weight`. Under a parametrisation (torch.nn.utils.parametrize) the
    underlying tensor is set; one with buffers sets these by its method initialise(weight, seed, purpose). Raises
    TypeError for a layer or parametrisation without a rule.
    """
    for name, layer in module.named_modules():
        parameters = dict(layer.named_parameters(recurse=False)) | _underlying(layer, name)
        if not parameters or isinstance(layer, parametrize.ParametrizationList):  # whose tensors are set with the layer
            continue
        if not _set_weight(layer, parameters, seed, f"{purpose} {name}"):
            raise TypeError(f"no rule to initialise {type(layer).__name__} ({name})")
        if "bias" in parameters:
            _fill(parameters["bias"], torch.zeros_like(parameters["bias"]))
        if parametrize.is_parametrized(layer):
            _initialise_chains(layer, seed, f"{purpose} {name}")


def _set_weight(layer: nn.Module, parameters: dict[str, Tensor], seed: int, purpose: str) -> bool:
    """Set the layer's weight, if it has one. Returns whether there is a rule for such a layer."""
    weight = parameters.get("weight")
    if isinstance(layer, WEIGHTED) and weight is not None:
        uniform = draws.uniform(seed, purpose, 0, tuple(weight.shape))
        _fill(weight, (2 * uniform - 1) / math.sqrt(fan_in(layer)))
    elif isinstance(layer, nn.Embedding) and weight is not None:
        _fill(weight, draws.normal(seed, purpose, 0, tuple(weight.shape)))
    elif isinstance(layer, SCALED) and weight is not None:
        _fill(weight, torch.ones_like(weight))
    elif isinstance(layer, nn.PReLU) and weight is not None:
        _fill(weight, torch.full_like(weight, PRELU_SLOPE))
    elif isinstance(initial := getattr(layer, "initial_weight", None), float) and weight is not None:
        _fill(weight, torch.full_like(weight, initial))
    else:
        return False
    return True


def set_deviation(layer: nn.Module, deviation: float) -> None:
    """Scale a linear or convolutional layer's weight, as `initialise` set it, to that standard deviation."""
    weight = layer.get_parameter("weight")
    # initialise draws from +-1/sqrt(fan_in), uniform: of that bound over sqrt(3).
    _fill(weight, weight * (deviation * math.sqrt(3 * fan_in(layer))))


def fan_in(layer: nn.Module) -> int:
    """How many inputs a unit sums: torch lays a transposed convolution's weight out as [inputs, outputs, ...]."""
    weight = cast("Tensor", layer.weight)
    if isinstance(layer, nn.ConvTranspose2d):
        return weight.shape[1] * weight[0, 0].numel()  # torch's default counts here too: dimension 1
    return weight[0].numel()


def _underlying(layer: nn.Module, name: str) -> dict[str, Tensor]:
    """The tensors that a layer's parametrised parameters are computed from, by the parameters' names."""
    if not parametrize.is_parametrized(layer):
        return {}
    originals: dict[str, Tensor] = {}
    for key, chain in layer.parametrizations.items():  # type: ignore[operator, union-attr]
        if not hasattr(chain, "original"):
            raise TypeError(f"no rule to initialise a parametrisation of several tensors ({name}.{key})")
        originals[key] = chain.original
    return originals


def _initialise_chains(layer: nn.Module, seed: int, purpose: str) -> None:
    """Set the buffers of a layer's parametrisations, such as the vectors of spectral normalisation."""
    for key, chain in layer.parametrizations.items():  # type: ignore[operator, union-attr]
        for part in chain:
            if hasattr(part, "initialise"):
                part.initialise(chain.original, seed, f"{purpose} {key}")
            elif any(True for _ in part.buffers()):
                raise TypeError(f"no rule to initialise the parametrisation {type(part).__name__} ({purpose} {key})")


def _fill(parameter: Tensor, values: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values)
