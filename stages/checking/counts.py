"""Keys that ask for more images than there will be: of the dataset, of its splits, of samples."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.datasets.registry import Dataset
from stages.gan.initial import OWN_RUN
from stages.normalize import EVALUATED_STACKS, VALIDATION_PART
from stages.normalize import Params as Normalize
from stages.two_sample import LEAST_BATCH
from stages.two_sample import Params as JudgeParams


@dataclass(frozen=True)
class MostImages:
    """How many images each split will have at most: fewer where normalize keeps some of the classes."""

    train: int
    validation: int
    test: int


def most_images(dataset: Dataset | None, params: Normalize) -> MostImages:
    """Those that normalize makes; of a dataset whose images nobody has counted, without bound."""
    if params.stack > 1:
        evaluated = min(params.num_stacks, EVALUATED_STACKS)
        return MostImages(params.num_stacks, evaluated, evaluated)
    if dataset is None or dataset.num_images is None:
        return MostImages(params.limit, sys.maxsize, sys.maxsize)
    training, test = dataset.num_images
    validation = training // VALIDATION_PART
    return MostImages(min(params.limit, training - validation), validation, test)


def too_many(sections: dict[str, Any], most: MostImages, num_classes: int) -> Iterator[str]:
    """A line for each batch, number of neighbours or pack that there are not images enough for.

    num_classes: of the images, of which a pack shows one if D knows them.
    """
    num_samples = sections["generate"].num_images
    if (judged := _judged(sections["two_sample"], most, num_samples)) < LEAST_BATCH:
        yield f"two_sample: too few images to learn from: expected at least {LEAST_BATCH}, found {judged}"
    for stage, images in {"train_classifier": most.train, "baseline": min(most.train, num_samples)}.items():
        if (batch_size := sections[stage].batch_size) > images:
            yield f"{stage}.batch_size: expected at most the {images} images there are, found {batch_size}"
    inspected = min(sections["inspect"].num_images, most.validation)
    for stage, images in {
        "evaluate": min(sections["evaluate"].num_images, num_samples, most.validation, most.test),
        "track": min(sections["track"].num_images, most.validation),
        "inspect": inspected,
    }.items():
        if (neighbours := sections[stage].neighbours) >= images:
            yield f"{stage}.neighbours: expected less than the {images} images compared, found {neighbours}"
    training = sections["train_gan"]
    of_a_class = -(-inspected // num_classes) if training.conditional else inspected
    if sections["inspect"].nets == OWN_RUN and training.packing > of_a_class:
        expected = f"expected at least the {training.packing} images of a class that make a pack of train_gan.packing"
        yield f"inspect.num_images: {expected}, found {of_a_class} of {inspected}"


def _judged(params: JudgeParams, most: MostImages, num_samples: int) -> int:
    """Of how few images a network of two_sample learns at most: a judge of samples or of the floor, or of digits."""
    third = most.validation // 3  # stages/evaluation/sides.py
    part = params.num_train, params.num_train + params.num_test
    beside = min(most.train, params.num_train, num_samples * part[0] // part[1])
    floor = min(third, (most.validation - third) * part[0] // part[1])
    return min(2 * beside, 2 * floor, params.num_train, most.train)
