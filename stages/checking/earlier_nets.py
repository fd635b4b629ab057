"""Networks of earlier runs that stages only read: refused before anything runs if they are for other images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.common.class_names import MOST_CLASSES
from stages.common.errors import UserError
from stages.common.shown import plain
from stages.datasets.stacks import mode_names
from stages.gan.initial import read_net


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

    Likewise for a generator of other images than the digits, if these are known. What D sees may be packs: inspect
    looks at them.
    """
    meta = read_net(path)[1]
    if (actual := meta["network"]) != network:
        raise UserError(f"{path}: expected {network}, as train_gan.network, found {plain(actual)}; set that key to it")
    if digits and path.stem == "generator":
        _require_digits(path, meta, digits)


def _require_digits(path: Path, meta: dict[str, Any], digits: Digits) -> None:
    """What the description does not say is left to the stage that rebuilds the network."""
    arguments = meta["arguments"]
    shape = arguments.get("image_shape") if isinstance(arguments, dict) else None
    sides = shape[1:] if isinstance(shape, list) else None
    for what, actual, expected in (
        ("classes", meta.get("classes"), digits.classes),
        ("height and width", sides, [digits.size] * 2),
    ):
        if actual is not None and actual != expected:
            found = f"expected {what} {plain(expected)}, found {plain(actual)}"
            remedy = "set download and normalize as in the run that made it, or name another"
            raise UserError(f"{path}: {found}, unlike the digits of this run; {remedy}")
