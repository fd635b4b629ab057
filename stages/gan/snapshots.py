"""The file that holds the averaged generator at several points during training."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.common.files import read_tensors, require_equal
from stages.common.images import ImageSet
from stages.gan.images_shown import IMAGES_PER_STEP, kimg_shown
from stages.gan.sampler import Sampler, sampler_from


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
    """All snapshots of a file in the order of training.

    Raises UserError if it holds anything else, or generators of other images or classes than these digits.
    """
    tensors, meta = read_tensors(path)
    arguments = meta.get("arguments")
    image_shape = arguments.get("image_shape") if isinstance(arguments, dict) else None
    unnumbered = sorted(name for name in tensors if not re.match(r"\d+\.", name))
    require_equal(path, "tensors without a number of steps", unnumbered, [])
    require_equal(path, f"type of {IMAGES_PER_STEP}", type(meta.get(IMAGES_PER_STEP)).__name__, "int")
    require_equal(path, "image shape", image_shape, digits.image_shape)
    require_equal(path, "classes", meta.get("classes"), digits.classes)
    by_steps: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        steps, _, own_name = name.partition(".")
        by_steps.setdefault(int(steps), {})[own_name] = tensor
    return [
        Snapshot(kimg_shown(steps, meta[IMAGES_PER_STEP]), generator, meta, path)
        for steps, generator in sorted(by_steps.items(), key=lambda item: item[0])
    ]
