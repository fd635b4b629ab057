"""A small CNN of another build than Classifier: it judges where an image comes from, and gives a second opinion."""

import math
from threading import Event

import torch
from torch import Tensor, nn

from stages.classifier.fit import Recipe, fit
from stages.common.errors import UserError
from stages.common.images import ImageSet
from stages.common.initialise import initialise
from stages.common.progress import Progress


class Judge(nn.Module):
    """Three 3x3 convolutions with batch normalisation, the mean over all positions, and a linear layer.

    channels: of the images; width: channels of the first convolution, twice that in the second; num_features: channels
    of the third.
    """

    def __init__(self, channels: int, num_classes: int, width: int, num_features: int) -> None:
        super().__init__()

        def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
            convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

        self.body = nn.Sequential(
            block(channels, width, 1),
            block(width, 2 * width, 2),
            block(2 * width, num_features, 2),
        )
        self.head = nn.Linear(num_features, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """The penultimate features of images [B, C, H, W] in [-1, 1]: means over positions."""
        features: Tensor = self.body(images.contiguous(memory_format=torch.channels_last)).mean(dim=(2, 3))
        return features  # [B, num_features]

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the classes of images [B, C, H, W] in [-1, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits  # [B, num_classes]


def trained_judge(
    images: ImageSet, recipe: Recipe, seed: int, stopped: Event, counter: Progress | None = None
) -> Judge:
    """A Judge that has learned the labels of the images, in eval mode; of no use if stopped.

    counter: counts the steps. Raises UserError if a loss is not finite.
    """
    judge = Judge(images.images.shape[1], len(images.classes), recipe.width, recipe.num_features)
    initialise(judge, seed, "two_sample.initialise")
    for epoch, loss in enumerate(fit(judge, images, recipe, seed, counter), start=1):
        if not math.isfinite(loss):
            raise UserError(f"the loss of epoch {epoch} is not finite; try a lower two_sample.lr")
        if stopped.is_set():
            break
    return judge.eval().requires_grad_(False)
