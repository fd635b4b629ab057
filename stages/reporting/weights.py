"""A generator's weights as the page carries them: half precision, BatchNorm folded into the layers before it.

The page computes `dcgan` alone. A convolution with BatchNorm behind it is one convolution with another kernel and a
bias, because in use BatchNorm is a factor and a shift of each channel.
"""

import base64
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stages.gan.architectures import CODES

NETWORK = "dcgan"
MOST_WEIGHTS = 1_500_000
"""Of them the page would have 4 MB."""
MOST_CLASSES = 100
"""That one can choose from on a page."""
MOST_CHANNELS = 3


@dataclass(frozen=True)
class Layers:
    """A generator in numbers, half precision: what JavaScript needs to compute it.

    image_shape: [C, H, W]; z_dim: entries of a latent; num_labels: that it knows, 0 if none; width: channels of its
    inner layers, from the coarsest; tensors: by name, in this order.
    """

    image_shape: list[int]
    z_dim: int
    num_labels: int
    widths: list[int]
    tensors: dict[str, Tensor]

    def content(self) -> dict[str, Any]:
        """All of it for JSON: the numbers little-endian in base64, each tensor with its place and shape."""
        layout, start = {}, 0
        for name, tensor in self.tensors.items():
            layout[name] = {"start": start, "shape": list(tensor.shape)}
            start += tensor.numel()
        packed = b"".join(tensor.contiguous().numpy().astype("<f2").tobytes() for tensor in self.tensors.values())
        return {
            "image_shape": self.image_shape,
            "z_dim": self.z_dim,
            "num_labels": self.num_labels,
            "widths": self.widths,
            "layout": layout,
            "numbers": base64.b64encode(packed).decode(),
        }


def why_only_pictures(meta: dict[str, Any], tensors: dict[str, Tensor]) -> str | None:
    """Why the page cannot compute this generator, in words that follow "because"; None if it can.

    meta, tensors: of its file.
    """
    arguments, count = meta["arguments"], sum(tensor.numel() for tensor in tensors.values())
    if meta["network"] != NETWORK:
        return f"it computes the network {NETWORK}, and this one is {meta['network']}"
    if count > MOST_WEIGHTS:
        return f"this generator has {count:,} weights, and it carries {MOST_WEIGHTS:,} at most"
    if arguments["num_classes"] > MOST_CLASSES:
        return f"nobody could choose from {arguments['num_classes']:,} classes here"
    if arguments["image_shape"][0] > MOST_CHANNELS:
        return f"images of {arguments['image_shape'][0]} channels have no colours"
    return None


def layers_of(generator: Any, arguments: dict[str, Any]) -> Layers:
    """The layers of a G of `dcgan`, with its arguments. Raises ValueError if half precision cannot hold a weight."""
    project, (first, _, up, second, _, again, third, _, last, _) = generator.project, generator.body
    height, width = (side // 4 for side in arguments["image_shape"][1:])
    tensors: dict[str, Tensor] = {}
    if generator.embedding is not None:
        tensors["embedding"] = generator.embedding.weight
    factor, shift = folded(first)
    # The linear layer's outputs are [channels, height, width], and BatchNorm has one factor a channel.
    tensors["project"] = project.weight.double() * factor.repeat_interleave(height * width)[:, None]
    tensors["project_shift"] = shift
    for name, convolution, norm in (("up", up, second), ("again", again, third)):
        factor, shift = folded(norm)
        tensors[name] = convolution.weight.double() * factor[None, :, None, None]
        tensors[f"{name}_shift"] = shift
    tensors |= {"last": last.weight, "last_shift": last.bias}
    return Layers(
        image_shape=arguments["image_shape"],
        z_dim=arguments["z_dim"],
        num_labels=arguments["num_classes"],
        widths=[first.num_features, second.num_features, third.num_features],
        tensors={name: halved(tensor.detach()) for name, tensor in tensors.items()},
    )


def folded(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """BatchNorm in evaluation as factor and shift, float64 [C] each: y = factor x + shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return factor, norm.bias.double() - factor * norm.running_mean.double()


def halved(tensor: Tensor) -> Tensor:
    """Half precision. Raises ValueError where a number is too large for it."""
    half = tensor.to(torch.float16)
    if not half.isfinite().all():
        raise ValueError(f"a weight of {tensor.abs().max():.3g} is too large for half precision")
    return half


def labels_are_codes(meta: dict[str, Any]) -> bool:
    """Whether a generator's labels are codes that it found a meaning for, not the classes of the images."""
    return bool(meta.get(CODES))
