"""The file that holds the averaged generator at several points during training."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import read_tensors, remedy, require_equal
from stages.common.images import ImageSet
from stages.common.shown import shown
from stages.gan.images_shown import IMAGES_PER_STEP, kimg_shown
from stages.gan.sampler import Sampler, sampler_from

MOST_IMAGES = 10**15
"""More than any training shows, and few enough for every number of kimg to be exact."""
NAME = re.compile(r"([1-9][0-9]{0,15})\.(.+)", re.DOTALL)
"""Steps done and the tensor's name in G: no two ways to write one number."""


@dataclass(frozen=True)
class Snapshot:
    """The averaged generator at one moment.

    kimg: thousands of real images shown to D so far; tensors: the state_dict of G; meta: the file's description."""

    kimg: float
    tensors: dict[str, Tensor]
    meta: dict[str, Any]
    path: Path

    def sampler(self, seed: int) -> Sampler:
        """Its samples, with draws of that seed. Raises UserError if the tensors do not make a generator."""
        return sampler_from(self.tensors, self.meta, seed, str(self.path))


def read_snapshots(path: Path, digits: ImageSet) -> list[Snapshot]:
    """All snapshots of a file in the order of training, at least one.

    Raises UserError if it holds anything else, or generators of other images or classes than these digits.
    """
    tensors, meta = read_tensors(path)
    arguments = meta.get("arguments")
    image_shape = arguments.get("image_shape") if isinstance(arguments, dict) else None
    try:
        images_per_step = _images_per_step(meta)
        by_steps = _by_steps(tensors, MOST_IMAGES // images_per_step)
    except ValueError as error:
        raise UserError(f"{path}: {error}; {remedy(path)}") from None
    require_equal(path, "image shape", image_shape, digits.image_shape)
    require_equal(path, "classes", meta.get("classes"), digits.classes)
    return [
        Snapshot(kimg_shown(steps, images_per_step), generator, meta, path)
        for steps, generator in sorted(by_steps.items(), key=lambda item: item[0])
    ]


def _images_per_step(meta: dict[str, Any]) -> int:
    value = meta.get(IMAGES_PER_STEP)
    if type(value) is not int or not 1 <= value <= MOST_IMAGES:
        raise ValueError(f"expected {IMAGES_PER_STEP} to be a number of images, at least 1, found {shown(value)}")
    return value


def _by_steps(tensors: dict[str, Tensor], most_steps: int) -> dict[int, dict[str, Tensor]]:
    """The tensors of each snapshot by the steps done. Raises ValueError if one is numbered wrongly or lacks a tensor.

    Also raises it if there is no snapshot.
    """
    by_steps: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = NAME.fullmatch(name)
        if match is None or int(match[1]) > most_steps:
            raise ValueError(f"expected tensors named by steps, a point and a name in G, found {shown(name)}")
        by_steps.setdefault(int(match[1]), {})[match[2]] = tensor
    if not by_steps:
        raise ValueError("expected at least one snapshot, found none; set train_gan.snapshot_kimg to less")
    every_name = set().union(*by_steps.values())
    for steps, own in by_steps.items():
        if missing := sorted(every_name - own.keys()):
            raise ValueError(f"expected the same tensors in each snapshot, found {steps} without {shown(missing[0])}")
    return by_steps
