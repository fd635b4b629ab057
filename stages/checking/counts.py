"""Keys that ask for more images than there will be: of the dataset, of its splits, of samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.datasets.registry import Dataset
from stages.gan.initial import OWN_RUN
from stages.normalize import EVALUATED_STACKS, VALIDATION_PART
from stages.normalize import Params as Normalize


@dataclass(frozen=True)
class MostImages:
    """How many images each split will have at most: fewer where normalize keeps some of the classes."""

    train: int
    validation: int
    test: int


def most_images(dataset: Dataset | None, params: Normalize) -> MostImages:
    """Those that normalize makes; of a dataset whose images nobody has counted, as many as it may ask for."""
    if params.stack > 1:
        evaluated = min(params.num_stacks, EVALUATED_STACKS)
        return MostImages(params.num_stacks, evaluated, evaluated)
    if dataset is None or dataset.num_images is None:
        return MostImages(params.limit, params.limit, params.limit)
    training, test = dataset.num_images
    validation = training // VALIDATION_PART
    return MostImages(min(params.limit, training - validation), validation, test)


def too_many(sections: dict[str, Any], most: MostImages, num_classes: int) -> Iterator[str]:
    """A line for each batch, number of neighbours or pack that there are not images enough for.

    num_classes: of the images, of which a pack shows one if D knows them.
    """
    num_samples, judges = sections["generate"].num_images, sections["two_sample"]
    beside = min(most.train, judges.num_train, num_samples * judges.num_train // (judges.num_train + judges.num_test))
    judged = min(2 * beside, judges.num_train, most.train)
    for stage, images in {
        "train_classifier": most.train,
        "baseline": min(most.train, num_samples),
        "two_sample": judged,
    }.items():
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
