"""DCGAN as published (Radford et al. 2015), class-conditional as in its authors' experiments with MNIST.

Strided and transposed convolutions, BatchNorm in G and D but not at G's output and D's input, ReLU and tanh in G,
LeakyReLU 0.2 in D, weights from a normal distribution with deviation 0.02. The class is a one-hot vector beside z in G,
and one plane of ones among planes of zeros beside the image in D. Departures: kernels of 4x4, not 5x5, as most
reimplementations have; initial weights uniform, with that deviation; as many layers as the image's size asks for. The
network `dcgan` is this project's own, for a regularised D.
"""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from stages.common.initialise import WEIGHTED, initialise, set_deviation
from stages.common.params import StageParams
from stages.gan.layers import ClassBeside, num_halvings
from stages.gan.layout import laid_out

DEVIATION = 0.02
SMALLEST = 4
"""Resolutions are halved until no side is longer, as far as that goes."""


class Options(StageParams):
    """The section networks.dcgan_2015 of params.yaml."""

    width: Annotated[int, Field(ge=1, le=1024, description="channels at half the resolution; doubled at each halving")]
    d_normalisation: Annotated[Literal["batch", "none"], Field(description="of D's hidden layers but the first")]

    @property
    def mixes_images(self) -> bool:
        """Whether D's logit of an image depends on the images beside it."""
        return self.d_normalisation == "batch"


class Generator(nn.Module):
    """Latents and labels to images.

    image_shape: [C, H, W], H and W multiples of 4; num_classes: 0 for an unconditional GAN; z_dim: entries of z;
    options: those of Options.
    """

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, **options: Any) -> None:
        super().__init__()
        widths = hidden_widths(image_shape, Options.model_validate(options).width)[::-1]
        self.base = (widths[0], image_shape[1] >> len(widths), image_shape[2] >> len(widths))
        self.beside = ClassBeside(num_classes, "one_hot")
        self.project = nn.Linear(z_dim + num_classes, math.prod(self.base), bias=False)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([*widths, image_shape[0]]):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)]
        self.body = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z float32 [B, z_dim]; y int64 [B], unread if unconditional; images in [-1, 1]."""
        x = self.project(self.beside(z, y)).unflatten(1, self.base)
        return self.body(laid_out(x))  # [B, C, H, W]

    def initialise(self, seed: int, purpose: str) -> None:
        """Set all weights, as a function of seed and purpose."""
        initialise_as_published(self, seed, purpose)


class Discriminator(nn.Module):
    """Images and labels to unbounded logits; the arguments are the Generator's."""

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, **options: Any) -> None:
        super().__init__()
        chosen = Options.model_validate(options)
        widths = hidden_widths(image_shape, chosen.width)
        self.beside = ClassBeside(num_classes, "one_hot")
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([image_shape[0] + num_classes, *widths]):
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))
            if layers[:-1] and chosen.d_normalisation == "batch":
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.num_features = widths[-1] * (math.prod(image_shape[1:]) >> 2 * len(widths))
        self.head = nn.Linear(self.num_features, 1)

    def features(self, images: Tensor, y: Tensor) -> Tensor:
        """Outputs of the last convolution; arguments as of forward."""
        return self.body(laid_out(self.beside(images, y)))  # [B, num_features]

    def logits(self, features: Tensor, y: Tensor) -> Tensor:
        """Logits from `features` of the same y."""
        return self.head(features).squeeze(1)  # [B]

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        """images float32 [B, C, H, W] in [-1, 1]; y int64 [B], unread if unconditional."""
        return self.logits(self.features(images, y), y)  # [B]

    def initialise(self, seed: int, purpose: str) -> None:
        """Set all weights, as a function of seed and purpose."""
        initialise_as_published(self, seed, purpose)


def hidden_widths(image_shape: list[int], width: int) -> list[int]:
    """The channels at half the resolution, a quarter, and so on."""
    return [width << level for level in range(num_halvings(image_shape, SMALLEST))]


def initialise_as_published(net: nn.Module, seed: int, purpose: str) -> None:
    """Weights of deviation 0.02 in every linear and convolutional layer; section 4 of the paper."""
    initialise(net, seed, purpose)
    for layer in net.modules():
        if isinstance(layer, WEIGHTED):
            set_deviation(layer, DEVIATION)
