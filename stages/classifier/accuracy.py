"""How many test digits a classifier recognises that has learned from a given set of images alone."""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from threading import Event
from typing import Annotated

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from stages.classifier.fit import Recipe, fit, fresh_classifier, num_steps
from stages.common.blocks import in_blocks
from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.images import ImageSet
from stages.common.labelled import require_labels
from stages.common.progress import Progress, progress
from stages.common.records import Record, read_record
from stages.common.runtime import make_deterministic

LEAST_TEST_DIGITS = 2
"""Usefulness halves them."""


def _each_once(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("expected each seed once: the same seed trains the same classifier")
    return seeds


def _ascending(rows: list[int]) -> list[int]:
    if any(row >= following for row, following in pairwise(rows)):
        raise ValueError("expected different rows in ascending order")
    return rows


Seeds = Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(_each_once), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Rows = Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(_ascending)]


class Accuracy(Record):
    """Of one recipe: the accuracy in [0, 1] of each seed, their mean, and their standard deviation (None for one seed).

    wrong: for each seed the rows of the test digits that it takes for another class.
    """

    values: Annotated[list[Share], Field(min_length=1)]
    mean: Share
    standard_deviation: Share | None
    wrong: list[Rows]

    @model_validator(mode="after")
    def _belong_together(self) -> "Accuracy":
        """Only what `summarised` makes, so that no figure contradicts another."""
        if len(self.values) != len(self.wrong):
            raise ValueError(f"expected {len(self.values)} lists of wrong rows, one a value, found {len(self.wrong)}")
        if not math.isclose(self.mean, mean := fmean(self.values), abs_tol=1e-9):
            raise ValueError(f"expected the mean of the values, {mean:g}, found {self.mean:g}")
        if (self.standard_deviation is None) != (len(self.values) == 1):
            actual = f"found {self.standard_deviation} for {len(self.values)}"
            raise ValueError(f"expected a standard_deviation of several values, null for one value, {actual}")
        return self


class Baseline(Record):
    """The result of stage baseline, and all that stage usefulness needs to do the same with samples.

    num_images: real digits that the classifiers learned from.
    """

    recipe: Recipe
    seeds: Seeds
    num_images: Annotated[int, Field(ge=1)]
    accuracy: Accuracy

    @model_validator(mode="after")
    def _belong_together(self) -> "Baseline":
        if len(self.accuracy.values) != len(self.seeds):
            raise ValueError(
                f"expected an accuracy for each of {len(self.seeds)} seeds, found {len(self.accuracy.values)}"
            )
        if self.num_images < self.recipe.batch_size:
            batch = f"a batch of {self.recipe.batch_size}"
            raise ValueError(f"expected num_images to fill {batch} (recipe.batch_size), found {self.num_images}")
        return self


def read_baseline(path: Path, num_test: int) -> Baseline:
    """What stage baseline wrote. Raises UserError for anything else, or for another number of test digits."""
    baseline = read_record(path, Baseline)
    accuracy = baseline.accuracy
    for number, (value, rows) in enumerate(zip(accuracy.values, accuracy.wrong, strict=True)):
        if any(row >= num_test for row in rows):
            actual = f"expected rows of the {num_test} test images, found row {rows[-1]}"
            raise UserError(f"{path}: accuracy.wrong.{number}: {actual}; {remedy(path)}")
        if not math.isclose(value, expected := 1 - len(rows) / num_test, abs_tol=1e-9):
            actual = f"expected {expected:g} for {len(rows)} wrong of {num_test} test images, found {value:g}"
            raise UserError(f"{path}: accuracy.values.{number}: {actual}; {remedy(path)}")
    return baseline


def require_test_digits(path: Path, test: ImageSet) -> None:
    """Raises UserError if the test digits of the file `path` have no labels, or are too few."""
    require_labels(path, test)
    if len(test) < LEAST_TEST_DIGITS:
        actual = f"expected at least {LEAST_TEST_DIGITS} images to halve, found {len(test)}"
        raise UserError(f"{path}: {actual}; {remedy(path)}")


def mistakes_of_seeds(train: ImageSet, test: ImageSet, recipe: Recipe, seeds: list[int]) -> list[Tensor]:
    """For each seed, the rows int64 of the test digits that a classifier trained on train takes for another class.

    No test digit influences the training: neither epoch nor setting is chosen here. Each classifier is trained by one
    thread, and as many are trained at once as there are cores: their number changes no bit. Raises UserError if there
    are too few images for one batch, or if a loss is not finite.
    """
    if len(train) < recipe.batch_size:
        raise UserError(f"baseline.batch_size: expected at most the {len(train)} images, found {recipe.batch_size}")
    stopped = Event()
    steps = len(seeds) * num_steps(recipe, len(train))
    with (
        progress(f"training {len(seeds)} classifiers", steps, "step") as counter,
        ThreadPoolExecutor(min(len(seeds), available_cores()), initializer=make_deterministic) as pool,
    ):
        tasks = [pool.submit(mistakes_of_seed, train, test, recipe, seed, stopped, counter) for seed in seeds]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            stopped.set()  # the other threads end after their epoch
            raise


def mistakes_of_seed(
    train: ImageSet, test: ImageSet, recipe: Recipe, seed: int, stopped: Event, counter: Progress | None = None
) -> Tensor:
    """The rows int64 of the test digits that a classifier trained on train gets wrong; of no use if stopped."""
    classifier = fresh_classifier(train, recipe, seed)
    for epoch, loss in enumerate(fit(classifier, train, recipe, seed, counter), start=1):
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
