"""What the params ask of memory, disk and time, and networks whose layers do not fit: see limits.py and nets.py."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages import train_gan
from stages.checking import limits, nets
from stages.checking.refusals import refusals
from stages.common import memory as machine
from stages.common.compiler import spared
from stages.common.params import StageParams
from stages.common.shards import IMAGES_PER_FILE
from stages.gan import architectures, auxiliaries
from stages.generation.stream import disk_problems


def too_large(data: Path, sections: dict[str, Any], options: StageParams, on_cpu: bool) -> Iterator[str]:
    """A line for each key that needs more memory, disk or time than there is, at least: a folder is taken as grey.

    options: of the chosen network; on_cpu: whether it is trained there, in the memory that this looks at.
    """
    stacks, training, memory = sections["normalize"], sections["train_gan"], machine.memory_limit()
    image_shape = [stacks.stack, stacks.size, stacks.size]
    num_images = {f"{stage}.num_images": sections[stage].num_images for stage in ("generate", "track", "inspect")}
    costs: list[limits.NetCost | None] = []
    yield from refusals(lambda: costs.extend(spared(partial(net_costs, training, options, image_shape))))
    generator, discriminator = costs or (None, None)
    if generator and discriminator and on_cpu:
        batch = training.batch_size, training.shards, training.packing
        yield from limits.net_problems(generator, discriminator, *batch, memory)
    else:
        num_images["train_gan.batch_size"] = training.batch_size
    if stacks.stack > 1:
        needed = limits.images_bytes(stacks.num_stacks, *image_shape)
        yield from limits.refuse_above("normalize.num_stacks", stacks.num_stacks, needed, memory, "memory")
    for key, count in num_images.items():
        held = min(count, IMAGES_PER_FILE) if key == "generate.num_images" else count
        yield from limits.refuse_above(key, count, limits.images_bytes(held, *image_shape), memory, "memory")
    yield from disk_problems(sections["generate"].num_images, image_shape, limits.free_disk(data))
    state = generator.parameter_bytes if generator else 0
    length = (training.total_kimg, training.snapshot_kimg, training.images_per_step)
    yield from limits.training_problems(*length, state, memory, limits.free_disk(data))
    yield from limits.history_problems(training.total_kimg, training.history_steps, training.images_per_step)


def net_costs(training: train_gan.Params, options: StageParams, image_shape: list[int]) -> list[limits.NetCost | None]:
    """A lower bound of what G and D of those params cost: for such images [C, H, W], with two classes or none."""
    architecture = architectures.load(training.network)
    auxiliary = auxiliaries.load(training.auxiliary)(training, 2)
    arguments = architectures.net_arguments(image_shape, auxiliary.g_classes, training.z_dim, options)
    d_arguments = architectures.d_arguments(arguments, training.packing, auxiliary.d_classes)

    part = training.batch_size // training.shards
    seen_by_g, seen_by_d = ([training.z_dim], part), (d_arguments["image_shape"], part // training.packing)
    costs = []
    with architectures.refused_options(training.network):
        for net, build, of, (shape, seen) in (
            ("Generator", architecture.Generator, arguments, seen_by_g),
            ("Discriminator", architecture.Discriminator, d_arguments, seen_by_d),
        ):
            name = f"{architectures.SECTION}.{training.network}: its {net}"
            costs.append(nets.net_cost(name, partial(build, **of), partial(net_inputs, shape, 2)))
            if seen == 1:
                nets.require_single(name, partial(build, **of), partial(net_inputs, shape, 1))
    return costs


def net_inputs(shape: list[int], rows: int) -> tuple[Tensor, Tensor]:
    """Latents or images of that shape, and their labels."""
    return torch.zeros(rows, *shape), torch.zeros(rows, dtype=torch.long)
