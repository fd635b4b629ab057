"""Drawing samples from a stored generator: image i does not depend on how many are drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.class_names import class_names
from stages.common.errors import UserError
from stages.common.images import remarks_of
from stages.common.shown import one_line
from stages.gan import architectures
from stages.gan.initial import read_stored, remedy_for


class Sampler:
    """A generator with its latents: labels in, images out, a constant block at a time.

    num_classes: 0 if no class can be asked of the generator, which reads labels as codes or not at all; source: where
    the generator is from, for messages; remarks: what the training says of it.
    """

    def __init__(
        self,
        generator: nn.Module,
        z_dim: int,
        num_classes: int,
        seed: int,
        source: str,
        remarks: tuple[str, ...] = (),
    ) -> None:
        self.G, self.z_dim, self.num_classes, self.seed = generator.eval(), z_dim, num_classes, seed
        self.source, self.remarks = source, remarks

    def latents(self, purpose: str, n: int) -> Tensor:
        """A latent for each image: [n, z_dim]; row i is the same for any n > i."""
        return self.numbered(range(n), purpose)

    def numbered(self, numbers: Sequence[int], purpose: str = "z") -> Tensor:
        """The latents of the images with these numbers, which count from 0: [len(numbers), z_dim]."""
        return draws.normal_rows(self.seed, f"generate.{purpose}", numbers, self.z_dim)

    def images(self, z: Tensor, y: Tensor) -> Tensor:
        """Images float32 [N, C, H, W] in [-1, 1], before they are snapped to grey levels.

        Raises UserError, which names the source, if pixels are not finite, as finite weights may make them.
        """
        images = in_blocks(self.G, z, y)
        if not images.isfinite().all():
            actual = "found pixels that are not numbers; train it again"
            raise UserError(f"{self.source}: expected a generator of images, {actual}")
        return images


def read_sampler(path: Path, seed: int) -> tuple[Sampler, list[str]]:
    """The sampler of a generator's file, and the names of its classes.

    Raises UserError, which names the file, if it is missing or holds no generator that this code can rebuild.
    """
    tensors, meta = read_stored(path)
    sampler = sampler_from(tensors, meta, seed, str(path))
    return sampler, class_names(meta["classes"])


def sampler_from(tensors: dict[str, Tensor], meta: dict[str, Any], seed: int, source: str) -> Sampler:
    """The sampler of a stored generator, whose description says how to rebuild it.

    Raises UserError, which names `source`, if it holds no generator that this code can rebuild.
    """
    try:
        if missing := [key for key in ("network", "arguments", "classes") if key not in meta]:
            raise ValueError(f"expected network, arguments and classes, found no {' and no '.join(missing)}")
        classes, arguments = class_names(meta["classes"]), meta["arguments"]
        generator = architectures.rebuilt_generator(meta["network"], arguments, tensors)
        if arguments["num_classes"] not in (0, len(classes)):
            raise ValueError(f"expected the names of {arguments['num_classes']} classes, found {len(classes)}")
        num_classes = 0 if meta.get(architectures.CODES) else arguments["num_classes"]
        return Sampler(generator, arguments["z_dim"], num_classes, seed, source, remarks_of(meta))
    except ValueError as error:
        reason = f"no generator that this code can rebuild ({one_line(error)})"
        raise UserError(f"{source} holds {reason}; {remedy_for(Path(source))}") from None
