"""DCGAN (Radford et al. 2015) for small images, class-conditional by projection (Miyato and Koyama 2018).

From the paper: strided and transposed convolutions in place of pooling, BatchNorm and ReLU in G, LeakyReLU in D.
Departures: no normalisation in D, since R1's gradient of one image must not depend on its neighbours; two
resolutions, as 28 and 32 pixels ask for; one hidden linear layer at D's end. G has a last convolution at full
resolution, whose neighbouring pixels are computed alike: transposed convolutions alone leave traces of their strides. D
begins with the inverse of a sub-pixel convolution (Shi et al. 2016), the four pixels of a square as four channels: a
strided convolution of one channel is slow for what it computes.
"""

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from stages.common.params import StageParams
from stages.gan.layers import ReachingTanh, latent_and_class, projection
from stages.gan.layout import laid_out


class Options(StageParams):
    """The section networks.dcgan of params.yaml."""

    width: Annotated[int, Field(ge=1, le=1024, description="channels of G and D at half the resolution")]


class Generator(nn.Module):
    """Latents and labels to images.

    image_shape: [C, H, W], H and W multiples of 4; num_classes: 0 for an unconditional GAN; z_dim: entries of z;
    width: channels at half the resolution; twice as many at a quarter, and a quarter of them at full resolution.
    """

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, width: int) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.base = (2 * width, height // 4, columns // 4)
        finest = max(1, width // 4)
        self.embedding = nn.Embedding(num_classes, z_dim) if num_classes else None
        self.project = nn.Linear(z_dim * (2 if num_classes else 1), math.prod(self.base), bias=False)
        self.body = nn.Sequential(
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, finest, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(finest),
            nn.ReLU(),
            nn.Conv2d(finest, channels, 3, padding=1),
            ReachingTanh(),
        )

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z float32 [B, z_dim]; y int64 [B], unread if unconditional; images in [-1, 1]."""
        x = latent_and_class(z, y, self.embedding)
        return self.body(laid_out(self.project(x).unflatten(1, self.base)))  # [B, C, H, W]


class Discriminator(nn.Module):
    """Images and labels to unbounded logits; the arguments are the Generator's, width is the first layer's channels."""

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, width: int) -> None:
        super().__init__()
        channels, height, columns = image_shape
        self.num_features = hidden = 4 * width
        self.body = nn.Sequential(
            nn.Conv2d(4 * channels, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * (height // 4) * (columns // 4), hidden),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Linear(hidden, 1)
        self.embedding = nn.Embedding(num_classes, hidden) if num_classes else None

    def features(self, images: Tensor, y: Tensor) -> Tensor:
        """Outputs of the hidden layer, which no class enters; arguments as of forward."""
        return self.body(laid_out(pixel_unshuffle(images, 2)))  # [B, num_features]

    def logits(self, features: Tensor, y: Tensor) -> Tensor:
        """Logits from `features` of the same y."""
        return projection(features, y, self.head, self.embedding)  # [B]

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        """images float32 [B, C, H, W] in [-1, 1]; y int64 [B], unread if unconditional."""
        return self.logits(self.features(images, y), y)  # [B]
