"""Residual networks without normalisation in R3GAN's manner (Huang et al. 2024, "The GAN is dead").

From the paper: blocks of a grouped 3x3 convolution between two 1x1 ones, with expansion; fix-up initialisation (Zhang
et al. 2019): the last convolution of a block starts at 0, the others are scaled down by the number of blocks;
resampling with a filter; no normalisation in G or D. Departures: small images begin and end as in dcgan, with the four
pixels of a square as channels in D, one hidden linear layer at D's end, and a 3x3 convolution at G's full resolution;
classes enter by projection.

With `normalisation: spectral`, every layer of D has a spectral norm of 1 (Miyato et al. 2018, "Spectral normalization
for GANs"), in place of the small initial weights. With `attention`, both nets have a layer of self-attention at their
lowest resolution (Zhang et al. 2019, "Self-attention GANs").
"""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from stages.common.initialise import fan_in, initialise, set_deviation
from stages.common.params import StageParams
from stages.gan.layers import (
    FilteredDown,
    FilteredUp,
    ReachingTanh,
    SelfAttention,
    latent_and_class,
    num_halvings,
    projection,
    spectrally_normalise,
)
from stages.gan.layout import laid_out

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""Of weights before LeakyReLU, which then keeps the variance (He et al. 2015)."""
SMALLEST = 8
"""Resolutions are halved until no side is longer, as far as that goes."""


class Options(StageParams):
    """The section networks.resnet of params.yaml."""

    width: Annotated[int, Field(ge=4, le=1024, description="channels at half the resolution; doubled at each halving")]
    blocks: Annotated[int, Field(ge=1, le=64, description="residual blocks at each resolution")]
    expansion: Annotated[int, Field(ge=1, le=16, description="channels within a block over those around it")]
    group_channels: Annotated[int, Field(ge=1, description="channels of a group of the 3x3 convolutions")]
    normalisation: Annotated[Literal["none", "spectral"], Field(description="of D's layers")]
    attention: Annotated[bool, Field(description="self-attention at the lowest resolution of G and D")]


class Block(nn.Module):
    """x + f(x): 1x1, grouped 3x3 and 1x1 convolutions with LeakyReLU between them."""

    def __init__(self, channels: int, options: Options) -> None:
        super().__init__()
        inner = channels * options.expansion
        if inner % options.group_channels:
            raise ValueError(
                f"expected group_channels to divide the {inner} channels of a block, found {options.group_channels}"
            )
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner // options.group_channels),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(inner, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [B, channels, H, W], to the same shape."""
        return x + self.body(x)


class Generator(nn.Module):
    """Latents and labels to images.

    image_shape: [C, H, W], H and W even; num_classes: 0 for an unconditional GAN; z_dim: entries of z; options: those
    of Options.
    """

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, **options: Any) -> None:
        super().__init__()
        chosen, halvings = Options.model_validate(options), num_halvings(image_shape, SMALLEST)
        widths = [chosen.width << level for level in reversed(range(halvings))]
        self.base = (widths[0], image_shape[1] >> halvings, image_shape[2] >> halvings)
        self.embedding = nn.Embedding(num_classes, z_dim) if num_classes else None
        self.project = nn.Linear(z_dim * (2 if num_classes else 1), math.prod(self.base))
        layers: list[nn.Module] = stage(widths[0], chosen, chosen.attention)
        for inputs, outputs in pairwise(widths):
            layers += [FilteredUp(inputs, outputs), *stage(outputs, chosen)]
        finest = max(1, chosen.width // 4)
        layers += [FilteredUp(widths[-1], finest), nn.LeakyReLU(SLOPE), nn.Conv2d(finest, image_shape[0], 3, padding=1)]
        self.body = nn.Sequential(*layers, ReachingTanh())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z float32 [B, z_dim]; y int64 [B], unread if unconditional; images in [-1, 1]."""
        x = latent_and_class(z, y, self.embedding)
        return self.body(laid_out(self.project(x).unflatten(1, self.base)))  # [B, C, H, W]

    def initialise(self, seed: int, purpose: str) -> None:
        """Set all weights, as a function of seed and purpose."""
        initialise(self, seed, purpose)
        fix_up(self)


class Discriminator(nn.Module):
    """Images and labels to unbounded logits; the arguments are the Generator's."""

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, **options: Any) -> None:
        super().__init__()
        chosen, halvings = Options.model_validate(options), num_halvings(image_shape, SMALLEST)
        widths = [chosen.width << level for level in range(halvings)]
        layers: list[nn.Module] = [nn.Conv2d(4 * image_shape[0], widths[0], 3, padding=1)]
        for inputs, outputs in pairwise(widths):
            layers += [*stage(inputs, chosen), FilteredDown(inputs, outputs)]
        layers += stage(widths[-1], chosen, chosen.attention)
        places = math.prod(image_shape[1:]) >> 2 * halvings
        self.num_features = 4 * chosen.width
        hidden = nn.Linear(widths[-1] * places, self.num_features)
        self.body = nn.Sequential(*layers, nn.Flatten(), hidden, nn.LeakyReLU(SLOPE))
        self.head = nn.Linear(self.num_features, 1)
        self.embedding = nn.Embedding(num_classes, self.num_features) if num_classes else None
        self.is_spectral = chosen.normalisation == "spectral"
        if self.is_spectral:
            spectrally_normalise(self)

    def features(self, images: Tensor, y: Tensor) -> Tensor:
        """Outputs of the last layer before the logit, which no class enters; arguments as of forward."""
        return self.body(laid_out(pixel_unshuffle(images, 2)))  # [B, num_features]

    def logits(self, features: Tensor, y: Tensor) -> Tensor:
        """Logits from `features` of the same y."""
        return projection(features, y, self.head, self.embedding, self.is_spectral)  # [B]

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        """images float32 [B, C, H, W] in [-1, 1]; y int64 [B], unread if unconditional."""
        return self.logits(self.features(images, y), y)  # [B]

    def initialise(self, seed: int, purpose: str) -> None:
        """Set all weights, as a function of seed and purpose."""
        initialise(self, seed, purpose)
        if not self.is_spectral:
            fix_up(self)


def stage(channels: int, options: Options, attention: bool = False) -> list[nn.Module]:
    """The layers at one resolution."""
    blocks: list[nn.Module] = [Block(channels, options) for _ in range(options.blocks)]
    return [*blocks, SelfAttention(channels)] if attention else blocks


def fix_up(net: nn.Module) -> None:
    """Scale initial weights so that the net, whose blocks begin as the identity, keeps the variance of its inputs.

    Zhang et al. 2019, "Fixup initialization", rule 2, for blocks of three layers: their first two are scaled by
    (number of blocks) ** (-1 / 4), their last is 0.
    """
    blocks = [block for block in net.modules() if isinstance(block, Block)]
    within = {layer for block in blocks for layer in block.modules()}
    for block in blocks:
        first, middle, last = (layer for layer in block.body if isinstance(layer, nn.Conv2d))
        for layer in (first, middle):
            set_deviation(layer, GAIN * len(blocks) ** -0.25 / math.sqrt(fan_in(layer)))
        nn.init.zeros_(last.weight)
    for outside in net.modules():
        if isinstance(outside, nn.Linear | nn.Conv2d) and outside not in within:
            set_deviation(outside, 1 / math.sqrt(fan_in(outside)))
