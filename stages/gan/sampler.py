"""Drawing samples from a stored generator: image i does not depend on how many are drawn."""

from typing import Any

from torch import Tensor, nn

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.images import is_class_names
from stages.gan import architectures


class Sampler:
    """A generator with its latents: labels in, images out, a constant block at a time.

    num_classes: 0 if the generator is unconditional.
    """

    def __init__(self, generator: nn.Module, z_dim: int, num_classes: int, seed: int) -> None:
        self.G, self.z_dim, self.num_classes, self.seed = generator.eval(), z_dim, num_classes, seed

    def latents(self, purpose: str, n: int) -> Tensor:
        """A latent for each image: [n, z_dim]; row i is the same for any n > i."""
        return draws.normal_rows(self.seed, f"generate.{purpose}", range(n), self.z_dim)

    def images(self, z: Tensor, y: Tensor) -> Tensor:
        """Images float32 [N, C, H, W] in [-1, 1], before they are snapped to grey levels."""
        return in_blocks(self.G, z, y)


def sampler_from(tensors: dict[str, Tensor], meta: dict[str, Any], seed: int, source: str) -> Sampler:
    """The sampler of a stored generator, whose description says how to rebuild it.

    Raises UserError, which names `source`, if it holds no generator that this code can rebuild.
    """
    try:
        arguments, classes = meta["arguments"], meta["classes"]
        if not is_class_names(classes):
            raise TypeError(f"expected the names of classes, found {classes!r}")
        generator = architectures.build_generator(meta["network"], arguments)
        if arguments["num_classes"] not in (0, len(classes)):
            raise ValueError(f"expected the names of {arguments['num_classes']} classes, found {len(classes)}")
        generator.load_state_dict(tensors)
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("weights that are not finite")
        return Sampler(generator, arguments["z_dim"], arguments["num_classes"], seed)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{source} holds no generator that this code can rebuild ({reason}); dvc repro train_gan"
        ) from None
