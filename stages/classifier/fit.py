"""Training a Classifier: shared by the feature extractor and the measure of usefulness."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from stages.classifier.model import Classifier
from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.compiler import uncompiled
from stages.common.images import ImageSet
from stages.common.initialise import initialise
from stages.common.params import StageParams
from stages.common.progress import Progress


class Recipe(StageParams):
    """How a Classifier is built and trained."""

    width: Annotated[int, Field(ge=1, le=256, description="channels of the first convolutions")]
    num_features: Annotated[int, Field(ge=64, le=256, description="penultimate features, the input of the metrics")]
    epochs: Annotated[int, Field(ge=1, le=100, description="passes over the images")]
    batch_size: Annotated[int, Field(ge=2, description="images a step")]
    lr: Annotated[float, Field(gt=0, le=1, description="Adam's highest learning rate")]
    shift_pixels: Annotated[int, Field(ge=0, le=8, description="largest random shift of the images, in pixels")]


def fresh_classifier(digits: ImageSet, recipe: Recipe, seed: int) -> Classifier:
    """An untrained Classifier for images and classes like these."""
    classifier = Classifier(list(digits.images.shape[1:]), len(digits.classes), recipe.width, recipe.num_features)
    initialise(classifier, seed, "classifier.initialise")
    return classifier


def num_steps(recipe: Recipe, num_images: int) -> int:
    """Steps of one training on that many images."""
    return recipe.epochs * (num_images // recipe.batch_size)


def fit(
    classifier: nn.Module, digits: ImageSet, recipe: Recipe, seed: int, counter: Progress | None = None
) -> Iterator[float]:
    """Train in place by Adam with one cycle of the learning rate (Smith and Topin 2018), on labelled digits.

    Yields the mean loss after each epoch, with the classifier as it then is. An epoch has only full batches; the next
    one begins with the digits that it left out. counter: counts the steps, num_steps in all.
    """
    order = draws.BatchOrder(seed, "classifier.order", len(digits), recipe.batch_size)
    steps_per_epoch = len(digits) // recipe.batch_size
    optimizer = uncompiled(torch.optim.Adam)(classifier.parameters(), lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=num_steps(recipe, len(digits)))
    for epoch in range(recipe.epochs):
        classifier.train()
        losses = []
        for step in range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch):
            rows = order.rows(step)
            images = shifted(digits.images[rows], recipe.shift_pixels, seed, step)
            loss = nn.functional.cross_entropy(classifier(images), digits.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
            if counter:
                counter.advance()
        yield torch.stack(losses).mean().item()


def shifted(images: Tensor, pixels: int, seed: int, step: int) -> Tensor:
    """Each image [B, C, H, W] moved by its own whole number of pixels, up to `pixels` each way; background enters."""
    batch, _, height, width = images.shape
    padded = nn.functional.pad(images, [pixels] * 4, value=-1)
    offsets = draws.integers(seed, "classifier.shift", step, 2 * pixels + 1, (2, batch, 1))
    rows, columns = offsets[0] + torch.arange(height), offsets[1] + torch.arange(width)
    image = torch.arange(batch)[:, None, None]
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)  # [B, C, H, W]


def score(classifier: Classifier, digits: ImageSet) -> tuple[float, float]:
    """Accuracy in [0, 1] and mean cross-entropy on the digits."""
    logits = in_blocks(classifier.eval(), digits.images)
    accuracy = (logits.argmax(1) == digits.labels).double().mean().item()
    return accuracy, nn.functional.cross_entropy(logits, digits.labels).item()
