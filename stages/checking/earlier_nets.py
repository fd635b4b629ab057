"""Networks of earlier runs: refused before anything runs if they do not fit the params and the digits to come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stages.common.class_names import MOST_CLASSES
from stages.common.errors import UserError
from stages.common.shown import plain
from stages.common.weights import without_memory
from stages.datasets.stacks import mode_names
from stages.gan.architectures import load
from stages.gan.auxiliaries import HEAD
from stages.gan.initial import read_net, require_described
from stages.gan.sampler import read_sampler
from stages.generation.judgements import read_discriminator


@dataclass(frozen=True)
class Digits:
    """What params say of images that are not there yet: the names of their classes; pixels of height and of width."""

    classes: list[str]
    size: int


def digits_to_come(names: Sequence[str], kept: Sequence[int], stack: int, size: int) -> Digits | None:
    """What normalize will make of a dataset; None if it cannot, which is told elsewhere.

    names: of the dataset's classes; kept: labels; stack: images in each one.
    """
    if any(label >= len(names) for label in kept) or len(kept) ** stack > MOST_CLASSES:
        return None
    return Digits(mode_names([names[label] for label in kept], stack), size)


def require_network(path: Path, network: str, digits: Digits | None) -> None:
    """Raise UserError if the file holds no network of that name, on whose code alone dvc.yaml lets stages depend.

    Likewise for one that this code cannot rebuild, or that is for other images than the digits, if these are known.
    """
    meta = read_net(path)[1]
    if (actual := meta["network"]) != network:
        raise UserError(f"{path}: expected {network}, as train_gan.network, found {plain(actual)}; set that key to it")
    if path.stem == "generator":
        read_sampler(path, seed=0)
    else:
        read_discriminator(path)
    if digits:
        _require_digits(path, meta, digits)


def require_start(
    path: Path, network: str, arguments: dict[str, Any] | None, head: Callable[[int], nn.Module | None] | None
) -> None:
    """Raise UserError if the file holds no network to start from.

    arguments: of the one that train_gan will build, if they are known; an image shape that is left out may be any.
    head: makes what the auxiliary objective adds to D, for that many features; None where arguments is.
    """
    tensors, meta = read_net(path)
    if arguments is not None and isinstance(actual := meta["arguments"], dict):
        unknown = {key: value for key, value in actual.items() if key == "image_shape" and key not in arguments}
        require_described(path, meta, network, arguments | unknown)
        if head and path.stem == "discriminator":
            _require_head(path, tensors, head(_num_features(network, arguments | unknown)))


def _num_features(network: str, arguments: dict[str, Any]) -> int:
    """Of D, which some network of one's own may not tell."""
    with without_memory():
        return int(getattr(load(network).Discriminator(**arguments), "num_features", 1))


def _require_head(path: Path, tensors: dict[str, Tensor], head: nn.Module | None) -> None:
    """Raise UserError if D has learned beside another auxiliary objective."""
    state = head.state_dict() if head else {}
    needed = {f"{HEAD}.{name}": tensor.shape for name, tensor in state.items()}
    stored = {name: tensor.shape for name, tensor in tensors.items() if name.startswith(f"{HEAD}.")}
    if needed != stored:
        raise UserError(
            f"{path}: expected a discriminator of a training with this train_gan.auxiliary and these codes, found "
            "another head; set them as in the run that made it"
        )


def _require_digits(path: Path, meta: dict[str, Any], digits: Digits) -> None:
    """What the description does not say is left to the stage that rebuilds the network."""
    arguments = meta["arguments"]
    shape = arguments.get("image_shape") if isinstance(arguments, dict) else None
    sides = shape[1:] if isinstance(shape, list) else None
    # What D sees may be packs; if it sees no classes, those of the digits may be others.
    knows_classes = path.stem == "generator" or (isinstance(arguments, dict) and arguments.get("num_classes"))
    for what, actual, expected in (
        ("classes", meta.get("classes") if knows_classes else None, digits.classes),
        ("height and width", sides, [digits.size] * 2),
    ):
        if actual is not None and actual != expected:
            found = f"expected {what} {plain(expected)}, found {plain(actual)}"
            remedy = "set download and normalize as in the run that made it, or name another"
            raise UserError(f"{path}: {found}, unlike the images of this run; {remedy}")
