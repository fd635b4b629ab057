"""Estimates of what params ask for, so that `check` refuses what cannot work before anything is deleted or run.

Pure functions of a few numbers; bounds are generous: only settings that cannot possibly work are refused.
"""

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
MOST_STEPS = 10**9
"""Steps of one training: months, even at 10 ms a step."""
MOST_ROWS = 10**6
"""Rows of a training's history: 100 MB, the most that hosts of Git take as a file."""
SNAPSHOTS_IN_MEMORY = 3
"""How often the snapshots must fit into memory: `track` reads the file with all of them, and the tensors in it."""
SNAPSHOTS_ON_DISK = 3
"""Written once beside the checkpoints, once as the out, and once more where DVC's cache holds copies."""
FLOAT_BYTES = 4
IMAGE_COPIES = 2.25
"""Of images that a stage holds: float32, their levels as uint8, and one float32 copy while they are rounded."""
TRAINING_COPIES = 3
"""Of a layer's outputs while a part is trained: forward, backward, and a second time for a gradient penalty."""


def free_disk(folder: Path) -> int:
    """Free bytes of the disk that holds the folder, or the nearest parent that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def refuse_above(key: str, actual: int, needed: float, limit: float, of: str) -> Iterator[str]:
    """A line for a key whose value needs more bytes than there are.

    actual: the value; needed, limit: bytes; of: `memory` or `disk`.
    """
    if needed > limit:
        most = "" if needed == math.inf else f", at most about {_float(actual) * limit / needed:.2g}"
        found = f"{_float(actual):g}"
        yield f"{key}: needs {_gib(needed)} of {of}, and {_gib(limit)} are there; expected less{most}, found {found}"


def images_bytes(num_images: int, channels: int, height: int, width: int) -> float:
    """Memory of a stage that holds that many images, float32 and as levels."""
    return _float(num_images) * channels * height * width * FLOAT_BYTES * IMAGE_COPIES


def steps(total_kimg: float, images_per_step: int) -> float:
    """Steps that show at least total_kimg thousand images; infinite where a float cannot say it."""
    return total_kimg * 1000 / _float(images_per_step)


def snapshots(total_kimg: float, snapshot_kimg: float, images_per_step: int) -> float:
    """Kept states of the averaged generator: one each snapshot_kimg, at most one a step, and the last."""
    return 1 + min(steps(total_kimg, images_per_step), total_kimg / snapshot_kimg)


@dataclass(frozen=True)
class NetCost:
    """Numbers of a net's parameters and buffers, and of all layers' outputs for one image."""

    parameters: int
    outputs: int

    @property
    def parameter_bytes(self) -> int:
        """Of one state of the net."""
        return self.parameters * FLOAT_BYTES


def training_bytes(generator: NetCost, discriminator: NetCost, batch_size: int, shards: int, packing: int) -> float:
    """Memory of a training in one process: both nets with gradients and Adam's two moments, and what layers give.

    D sees one part of the batch after the other, `packing` images at once; its outputs are those for one such pack. G's
    outputs for all parts are kept until it learns from them.
    """
    nets = 4 * (generator.parameter_bytes + discriminator.parameter_bytes) + generator.parameter_bytes
    part_size = batch_size // shards
    layers = TRAINING_COPIES * (part_size * generator.outputs + part_size // packing * discriminator.outputs)
    waiting = (batch_size - part_size) * generator.outputs
    return float(nets + FLOAT_BYTES * (layers + waiting))


def net_problems(
    generator: NetCost, discriminator: NetCost, batch_size: int, shards: int, packing: int, memory: int
) -> Iterator[str]:
    """A line if one process of a training on the CPU cannot hold the nets, or the nets and a batch."""
    nets = training_bytes(generator, discriminator, 0, shards, packing)
    if nets > memory:
        size = f"needs {_gib(nets)} of memory for the two nets, and {_gib(memory)} are there"
        yield f"train_gan.network: {size}; expected less width or a smaller z_dim"
        return
    needed = training_bytes(generator, discriminator, min(batch_size, 10**30), shards, packing)
    yield from refuse_above("train_gan.batch_size", batch_size, needed, memory, "memory")


def training_problems(
    total_kimg: float, snapshot_kimg: float, images_per_step: int, generator_bytes: int, memory: int, disk: int
) -> Iterator[str]:
    """A line for each key of a training's length that cannot work.

    generator_bytes: of one state of G; memory, disk: available bytes. Checkpoints do not grow with the length.
    """
    if (actual := steps(total_kimg, images_per_step)) > MOST_STEPS:
        most = MOST_STEPS * _float(images_per_step) / 1000
        yield f"train_gan.total_kimg: {actual:.2g} steps; expected at most {most:g} kimg, found {total_kimg:g}"
        return
    if snapshot_kimg < (step_kimg := _float(images_per_step) / 1000):
        yield f"train_gan.snapshot_kimg: expected at least one step, {step_kimg:g} kimg, found {snapshot_kimg:g}"
        return
    if snapshot_kimg > (shown_kimg := math.ceil(actual) * step_kimg):
        length = f"the {shown_kimg:g} kimg of the training, because track measures its snapshots"
        yield f"train_gan.snapshot_kimg: expected at most {length}, found {snapshot_kimg:g}"
        return
    needed = snapshots(total_kimg, snapshot_kimg, images_per_step) * generator_bytes
    for limit, of, copies in ((memory, "memory", SNAPSHOTS_IN_MEMORY), (disk, "disk", SNAPSHOTS_ON_DISK)):
        if needed * copies > limit:
            yield (
                f"train_gan.snapshot_kimg: needs {_gib(needed * copies)} of {of}, and {_gib(limit)} are for it; "
                f"expected at least about {copies * total_kimg * generator_bytes / limit:.2g}, "
                f"found {snapshot_kimg:g}"
            )
            return


def history_problems(total_kimg: float, history_steps: int, images_per_step: int) -> Iterator[str]:
    """A line if the table of a training has too many rows."""
    if (rows := steps(total_kimg, images_per_step) / _float(history_steps)) > MOST_ROWS:
        least = f"at least about {_float(history_steps) * rows / MOST_ROWS:.2g}"
        yield f"train_gan.history_steps: {rows:.2g} rows of history.csv; expected {least}, found {history_steps}"


def _float(count: int) -> float:
    """A count as a float, however many digits it has."""
    return float(min(count, 10**30))


def _gib(count: float) -> str:
    return f"{count / GIB:.3g} GiB"
