"""The registry of architectures: the listing of the folder networks. Only the chosen module is imported."""

import importlib
from pathlib import Path
from typing import Any, Protocol, cast

from torch import nn

FOLDER = Path(__file__).parent / "networks"


class Architecture(Protocol):
    """What a module in networks/ holds: both classes take image_shape, num_classes, z_dim and width."""

    Generator: type[nn.Module]
    Discriminator: type[nn.Module]


def names() -> list[str]:
    """The names of all architectures, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def load(name: str) -> Architecture:
    """The module of that architecture. Raises ValueError, with the list of names, if there is none."""
    if name not in names():
        raise ValueError(f"expected an architecture of {', '.join(names())}, found {name!r}")
    return cast("Architecture", importlib.import_module(f"stages.gan.networks.{name}"))


def build_generator(network: str, arguments: dict[str, Any]) -> nn.Module:
    """An untrained G of that architecture."""
    return load(network).Generator(**arguments)
