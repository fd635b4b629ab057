"""Fully connected layers (Goodfellow et al. 2014), class-conditional by the class beside the input.

As in Mirza and Osindero 2014, "Conditional generative adversarial nets": a vector for the class is beside the latent in
G and beside the pixels in D.
"""

import math
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from stages.common.params import StageParams
from stages.gan.layers import ClassBeside

Widths = Annotated[list[Annotated[int, Field(ge=1, le=16384)]], Field(min_length=1, max_length=16)]
Normalisation = Literal["none", "batch", "layer"]


class Options(StageParams):
    """The section networks.mlp of params.yaml."""

    g_hidden: Annotated[Widths, Field(description="units of G's hidden layers")]
    d_hidden: Annotated[Widths, Field(description="units of D's hidden layers")]
    g_normalisation: Annotated[Normalisation, Field(description="of G's hidden layers")]
    d_normalisation: Annotated[Normalisation, Field(description="of D's hidden layers")]
    norm_eps: Annotated[float, Field(gt=0, le=1, description="what normalisation adds to the variance")]
    slope: Annotated[float, Field(ge=0, lt=1, description="of LeakyReLU below 0")]
    class_input: Annotated[Literal["one_hot", "embedding"], Field(description="the vector that represents a class")]

    @property
    def mixes_images(self) -> bool:
        """Whether D's logit of an image depends on the images beside it."""
        return self.d_normalisation == "batch"


class Generator(nn.Module):
    """Latents and labels to images.

    image_shape: [C, H, W]; num_classes: 0 for an unconditional GAN; z_dim: entries of z; options: those of Options.
    """

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, **options: Any) -> None:
        super().__init__()
        chosen = Options.model_validate(options)
        self.image_shape = image_shape
        self.beside = ClassBeside(num_classes, chosen.class_input)
        widths = [z_dim + num_classes, *chosen.g_hidden]
        hidden = hidden_layers(widths, chosen.g_normalisation, chosen)
        self.body = nn.Sequential(*hidden, nn.Linear(widths[-1], math.prod(image_shape)), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z float32 [B, z_dim]; y int64 [B], unread if unconditional; images in [-1, 1]."""
        return self.body(self.beside(z, y)).unflatten(1, self.image_shape)  # [B, C, H, W]


class Discriminator(nn.Module):
    """Images and labels to unbounded logits; the arguments are the Generator's."""

    def __init__(self, image_shape: list[int], num_classes: int, z_dim: int, **options: Any) -> None:
        super().__init__()
        chosen = Options.model_validate(options)
        self.beside = ClassBeside(num_classes, chosen.class_input)
        widths = [math.prod(image_shape) + num_classes, *chosen.d_hidden]
        self.num_features = widths[-1]
        self.body = nn.Sequential(*hidden_layers(widths, chosen.d_normalisation, chosen))
        self.head = nn.Linear(self.num_features, 1)

    def features(self, images: Tensor, y: Tensor) -> Tensor:
        """Outputs of the last hidden layer; arguments as of forward."""
        return self.body(self.beside(images.flatten(1), y))  # [B, num_features]

    def logits(self, features: Tensor, y: Tensor) -> Tensor:
        """Logits from `features` of the same y."""
        return self.head(features).squeeze(1)  # [B]

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        """images float32 [B, C, H, W] in [-1, 1]; y int64 [B], unread if unconditional."""
        return self.logits(self.features(images, y), y)  # [B]


def hidden_layers(widths: list[int], normalisation: Normalisation, options: Options) -> list[nn.Module]:
    """Layers from widths[0] inputs to widths[-1] outputs.

    BatchNorm is before the activation (Ioffe and Szegedy 2015), LayerNorm after it (the book Make Your First GAN).
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers.append(nn.Linear(inputs, outputs))
        if normalisation == "batch":
            layers.append(nn.BatchNorm1d(outputs, options.norm_eps))
        layers.append(nn.LeakyReLU(options.slope))
        if normalisation == "layer":
            layers.append(nn.LayerNorm(outputs, options.norm_eps))
    return layers
