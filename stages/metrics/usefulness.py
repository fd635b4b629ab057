"""How well a classifier does on test digits that has learned from the images in question alone."""

import math
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import torch

from stages.common.errors import UserError
from stages.common.images import ImageSet
from stages.common.processes import available_cores
from stages.common.runtime import make_deterministic
from stages.metrics.fit import Recipe, fit, fresh_classifier, score


def accuracies_of_seeds(train: ImageSet, test: ImageSet, recipe: Recipe, seeds: list[int]) -> list[float]:
    """For each seed, the accuracy on test of the last epoch of a classifier trained on train, in [0, 1].

    No real digit has a say in the training: neither epoch nor setting is chosen here. Each classifier is one thread's
    work, and as many are trained at once as there are cores: their number changes no bit. Raises UserError if there
    are too few images for one batch, or if a loss is not finite.
    """
    if len(train) < recipe.batch_size:
        raise UserError(f"baseline.batch_size: expected at most the {len(train)} images, found {recipe.batch_size}")
    stopped = Event()
    with ThreadPoolExecutor(min(len(seeds), available_cores()), initializer=make_deterministic) as pool:
        tasks = [pool.submit(accuracy_of_seed, train, test, recipe, seed, stopped) for seed in seeds]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            stopped.set()  # the other threads end with their epoch
            raise


def accuracy_of_seed(train: ImageSet, test: ImageSet, recipe: Recipe, seed: int, stopped: Event) -> float:
    """The accuracy on test of a classifier trained on train, in [0, 1]; NaN if stopped before the end."""
    classifier = fresh_classifier(train, recipe, seed)
    for epoch, loss in enumerate(fit(classifier, train, recipe, seed, show_progress=False), start=1):
        if not math.isfinite(loss):
            raise UserError(f"the loss of epoch {epoch} is not finite; try a lower baseline.lr")
        if stopped.is_set():
            return math.nan
    return score(classifier, test)[0]


def summarised(values: list[float]) -> dict[str, Any]:
    """The values with their mean and standard deviation (None for a single one)."""
    tensor = torch.tensor(values, dtype=torch.float64)
    spread = tensor.std().item() if len(values) > 1 else None
    return {"values": values, "mean": tensor.mean().item(), "standard_deviation": spread}
