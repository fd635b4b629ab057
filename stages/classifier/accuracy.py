"""How well a classifier does on test digits that has learned from the images in question alone."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import torch
from pydantic import ValidationError
from torch import Tensor

from stages.classifier.fit import Recipe, fit, fresh_classifier
from stages.common.blocks import in_blocks
from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.files import read_json, remedy
from stages.common.images import ImageSet
from stages.common.params import StageParams
from stages.common.runtime import make_deterministic


class Accuracy(StageParams):
    """Of one recipe: the accuracies in [0, 1] of the seeds, their mean and standard deviation (None for a single one).

    wrong: for each seed the rows of the test digits that it takes for another class.
    """

    values: list[float]
    mean: float
    standard_deviation: float | None
    wrong: list[list[int]]


class Baseline(StageParams):
    """What stage baseline found, and all that stage usefulness needs to do the same with samples.

    num_images: real digits that the classifiers learned from.
    """

    recipe: Recipe
    seeds: list[int]
    num_images: int
    accuracy: Accuracy


def read_baseline(path: Path, num_test: int) -> Baseline:
    """What stage baseline wrote. Raises UserError if that is anything else, or not of num_test test digits."""
    try:
        baseline = Baseline.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise UserError(f"{path}: {where}: {first['msg']}, found {first['input']!r}; {remedy(path)}") from None
    rows = [row for seed in baseline.accuracy.wrong for row in seed]
    if len(baseline.accuracy.wrong) != len(baseline.seeds) or any(not 0 <= row < num_test for row in rows):
        raise UserError(f"{path}: expected rows of {num_test} test digits for each seed, found others; {remedy(path)}")
    return baseline


def mistakes_of_seeds(train: ImageSet, test: ImageSet, recipe: Recipe, seeds: list[int]) -> list[Tensor]:
    """For each seed, the rows int64 of the test digits that a classifier trained on train takes for another class.

    No real digit has a say in the training: neither epoch nor setting is chosen here. Each classifier is one thread's
    work, and as many are trained at once as there are cores: their number changes no bit. Raises UserError if there
    are too few images for one batch, or if a loss is not finite.
    """
    if len(train) < recipe.batch_size:
        raise UserError(f"baseline.batch_size: expected at most the {len(train)} images, found {recipe.batch_size}")
    stopped = Event()
    with ThreadPoolExecutor(min(len(seeds), available_cores()), initializer=make_deterministic) as pool:
        tasks = [pool.submit(mistakes_of_seed, train, test, recipe, seed, stopped) for seed in seeds]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            stopped.set()  # the other threads end with their epoch
            raise


def mistakes_of_seed(train: ImageSet, test: ImageSet, recipe: Recipe, seed: int, stopped: Event) -> Tensor:
    """The rows int64 of the test digits that a classifier trained on train gets wrong; of no use if stopped."""
    classifier = fresh_classifier(train, recipe, seed)
    for epoch, loss in enumerate(fit(classifier, train, recipe, seed, show_progress=False), start=1):
        if not math.isfinite(loss):
            raise UserError(f"the loss of epoch {epoch} is not finite; try a lower baseline.lr")
        if stopped.is_set():
            break
    recognised = in_blocks(classifier.eval(), test.images).argmax(dim=1)
    return torch.nonzero(recognised != test.labels).squeeze(1)


def summarised(wrong: list[Tensor], num_test: int) -> Accuracy:
    """wrong: for each seed the rows of its mistakes among num_test digits, from mistakes_of_seeds."""
    values = torch.tensor([num_test - len(rows) for rows in wrong], dtype=torch.float64) / num_test
    return Accuracy(
        values=values.tolist(),
        mean=values.mean().item(),
        standard_deviation=values.std().item() if len(wrong) > 1 else None,
        wrong=[rows.tolist() for rows in wrong],
    )
