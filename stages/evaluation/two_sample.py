"""The classifier two-sample test: how often a judge tells candidates from real digits. 50 % is perfect.

Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests". Copies of the training digits, from which
the judges learn what is real, are not recognised: for them the figures are at their best.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from stages.classifier.fit import Recipe, num_steps
from stages.classifier.judge import Judge, trained_judge
from stages.classifier.model import Classifier, finite_features
from stages.common.blocks import in_blocks
from stages.common.cores import available_cores
from stages.common.images import ImageSet
from stages.common.progress import Progress, progress
from stages.common.runtime import make_deterministic
from stages.evaluation.scores import Score, estimated
from stages.evaluation.sides import Sides, thresholded
from stages.metrics.linear_judge import judged_second, linear_judge
from stages.metrics.resampling import Estimate, Influences, centred

View = Callable[[Tensor], Tensor]
VIEWS: dict[str, View] = {"two_sample": lambda images: images, "two_sample_thresholded": thresholded}
"""What the CNN judges see of images float32 [N, C, H, W] in [-1, 1]."""
LINEAR = "two_sample_features"


@dataclass(frozen=True)
class Verdicts:
    """How often each test image is judged right, float64 in [0, 1]: means over seeds; accuracies: of each seed."""

    real: Tensor
    candidates: Tensor
    accuracies: list[float]

    @property
    def score(self) -> Score:
        """The accuracy: the mean of both sides, which count alike. Its standard error is over test images."""
        value = (self.real.mean() + self.candidates.mean()).item() / 2
        influences = Influences(candidate=centred(self.candidates) / 2, reference=centred(self.real) / 2)
        return estimated(Estimate(value, influences), never_negative=True)


def verdicts(judged: list[tuple[Tensor, Tensor]]) -> Verdicts:
    """judged: for each seed whether each real digit, and each candidate, is taken for a candidate, bool."""
    real = torch.stack([~of_real for of_real, _ in judged]).double()  # [seeds, N]
    candidates = torch.stack([of_candidates for _, of_candidates in judged]).double()
    accuracies = (real.mean(dim=1) + candidates.mean(dim=1)) / 2
    return Verdicts(real.mean(dim=0), candidates.mean(dim=0), accuracies.tolist())


def judged_by_cnn(
    images: Sides, view: View, recipe: Recipe, seed: int, stopped: Event, counter: Progress | None = None
) -> tuple[Tensor, Tensor]:
    """Whether each real digit and each candidate of the test images is taken for a candidate, bool [N] and [M].

    counter: counts the steps of training. Of no use if stopped.
    """
    learned = images.to_learn
    judge = trained_judge(replace(learned, images=view(learned.images)), recipe, seed, stopped, counter)

    def judged(tested: ImageSet) -> Tensor:
        return in_blocks(judge, view(tested.images), description="images judged").argmax(dim=1) == 1

    return judged(images.test_real), judged(images.test_candidates)


def judged_by_line(images: Sides, classifier: Classifier, source: Path) -> Verdicts:
    """The verdicts of a linear judge of the classifier's features; source: its file."""

    def features(digits: ImageSet) -> Tensor:
        return finite_features(classifier, digits.images, source)

    coefficients = linear_judge(features(images.train_real), features(images.train_candidates))
    tested = images.test_real, images.test_candidates
    real, candidates = (judged_second(coefficients, features(digits)) for digits in tested)
    return verdicts([(real, candidates)])


def train_all(
    compared: dict[str, Sides], digits: ImageSet | None, recipe: Recipe, seeds: list[int]
) -> tuple[dict[str, dict[str, Verdicts]], Judge | None]:
    """Verdicts by view and by the name of the sides, and a Judge that has learned the classes of the digits.

    The latter is None without digits, and for a single class.

    Each network is trained by one thread, and as many are trained at once as there are cores: their number changes no
    bit. The first seed is the digit network's too.
    """
    stopped = Event()
    if digits and len(digits.classes) == 1:
        digits = None
    lengths = [2 * len(images.train_real) for images in compared.values() for _ in VIEWS for _ in seeds]
    lengths += [len(digits)] if digits else []
    steps = sum(num_steps(recipe, length) for length in lengths)
    with (
        progress(f"training {len(lengths)} networks", steps, "step") as counter,
        ThreadPoolExecutor(min(len(lengths), available_cores()), initializer=make_deterministic) as pool,
    ):
        second = pool.submit(trained_judge, digits, recipe, seeds[0], stopped, counter) if digits else None
        tasks = {
            (view, name): [
                pool.submit(judged_by_cnn, images, VIEWS[view], recipe, seed, stopped, counter) for seed in seeds
            ]
            for name, images in compared.items()  # the larger sets first, so that no core waits long at the end
            for view in VIEWS
        }
        try:
            judged = {key: verdicts([task.result() for task in of_seeds]) for key, of_seeds in tasks.items()}
            by_view = {view: {name: judged[view, name] for name in compared} for view in VIEWS}
            return by_view, second.result() if second else None
        except BaseException:
            stopped.set()  # the other threads end after their epoch
            raise
