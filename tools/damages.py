"""What each metric says of real digits damaged in known ways: `python -m tools.damages` writes docs/damages.md.

Reads the digits and the classifier of a finished run in data/. The validation digits, damaged, take the samples' place;
so the first row, undamaged, is the floor of every evaluation.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms import functional as pictures

from stages.common import draws
from stages.common.files import write_text
from stages.common.images import ImageSet, load_image_set, to_float, to_levels
from stages.common.params import load_params
from stages.common.runtime import make_deterministic, report_errors
from stages.evaluate import Params, embed, load_classifier
from stages.metrics.memorisation import closeness
from stages.metrics.registry import METRICS, Comparison, Embedded, Score
from tools.tables import markdown

DOCUMENT = Path("docs/damages.md")
DROPPED = 8
CLEAR_ERRORS = 5.0
"""How many standard errors of the difference make a change clear."""
CLEAR_IMBALANCE = 0.01
"""The same for class_imbalance, which has no standard error."""

Damage = Callable[[ImageSet, ImageSet], ImageSet]
"""Validation and training digits to damaged ones."""

INTRODUCTION = """# What each metric says of damaged digits

Real digits (the first {count:,} validation digits) in the samples' place, whole and then damaged, against the test
digits. **Bold**: clearly other than whole digits score ({clear:g} standard errors of the difference; {imbalance:g} for
`class_imbalance`). Every column should have its bold figures, and every row its own pattern: that is
what tells one failure of a GAN from another. A few copies among good samples move neither `c_t` nor `authenticity`
far; they show in `memorisation.near` of the details. What the metrics are: [metrics.md](metrics.md). Written by
`python -m tools.damages`, from the digits and the classifier of a finished run.

"""


def pixels(change: Callable[[Tensor], Tensor]) -> Damage:
    """A damage of images float32 [N, C, H, W] in [-1, 1], afterwards snapped to grey levels as samples are."""
    return lambda digits, _: replace(digits, images=to_float(to_levels(change(digits.images))))


def rows(choose: Callable[[ImageSet], Tensor]) -> Damage:
    """A damage that only chooses among the digits, by row numbers."""

    def chosen(digits: ImageSet, _: ImageSet) -> ImageSet:
        numbers = choose(digits)
        return ImageSet(digits.images[numbers], digits.labels[numbers], digits.classes)

    return chosen


def noisy(images: Tensor) -> Tensor:
    """With normal noise of a tenth of the range."""
    return images + 0.2 * draws.normal(0, "damages.noise", 0, tuple(images.shape))


def half_resolution(images: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, each drawn four times."""
    return F.avg_pool2d(images, 2).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def thicker(images: Tensor) -> Tensor:
    """Each pixel as bright as the brightest of 2 x 2."""
    return F.max_pool2d(F.pad(images, (0, 1, 0, 1), value=-1.0), 2, stride=1)


def thinner(images: Tensor) -> Tensor:
    """Each pixel as dark as the darkest of 2 x 2."""
    return -F.max_pool2d(F.pad(-images, (0, 1, 0, 1), value=1.0), 2, stride=1)


def without_a_class(digits: ImageSet) -> Tensor:
    """Digits of the other classes in the place of class DROPPED (the last one, if there are fewer)."""
    others = torch.nonzero(digits.labels != min(DROPPED, len(digits.classes) - 1)).squeeze(1)
    return others[torch.arange(len(digits)) % len(others)]


def one_of_each_class(digits: ImageSet) -> Tensor:
    """The first digit of every class, again and again."""
    first = torch.stack([torch.nonzero(digits.labels == label)[0, 0] for label in digits.labels.unique()])
    return first[torch.arange(len(digits)) % len(first)]


def training(count: Callable[[ImageSet], int]) -> Damage:
    """The first so many digits exchanged for training digits."""

    def exchanged(digits: ImageSet, train: ImageSet) -> ImageSet:
        n = min(count(digits), len(train))
        images = torch.cat([train.images[:n], digits.images[n:]])
        return ImageSet(images, torch.cat([train.labels[:n], digits.labels[n:]]), digits.classes)

    return exchanged


def swapped(digits: ImageSet, _: ImageSet) -> ImageSet:
    """As if the next class had been asked for."""
    return replace(digits, labels=(digits.labels + 1) % len(digits.classes))


DAMAGES: dict[str, Damage] = {
    "whole": lambda digits, _: digits,
    "blurred": pixels(lambda images: pictures.gaussian_blur(images, [5, 5], [1.0, 1.0])),
    "noise added": pixels(noisy),
    "half the resolution": pixels(half_resolution),
    "shifted by 2 pixels": pixels(lambda images: F.pad(images, (2, -2, 0, 0), value=-1.0)),
    "rotated by 15 degrees": pixels(lambda images: pictures.rotate(images, 15, fill=[-1.0])),
    "thicker": pixels(thicker),
    "thinner": pixels(thinner),
    "mirrored": pixels(lambda images: images.flip(3)),
    "inverted": pixels(lambda images: -images),
    "one class dropped": rows(without_a_class),
    "a tenth, ten times each": rows(lambda digits: torch.arange(len(digits)) // 10),
    "one digit a class": rows(one_of_each_class),
    "training digits": training(len),
    "5 % training digits": training(lambda digits: len(digits) // 20),
    "labels swapped": swapped,
}


def run(params: Params, data: Path) -> str:
    """The document. Raises UserError if a file of data/ is missing."""
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    paths = [data / "normalize" / f"{split}.safetensors" for split in ("train", "validation", "test")]
    train, validation, test = map(load_image_set, paths)
    count = min(params.num_images, len(validation))
    validation = ImageSet(validation.images[:count], validation.labels[:count], validation.classes)
    classifier = load_classifier(classifier_path, paths[-1], test)

    sets = {"test": test} | {name: damage(validation, train) for name, damage in DAMAGES.items()}
    seen = {name: embed(classifier, digits, len(digits), classifier_path) for name, digits in sets.items()}
    learnt = embed(classifier, train, len(train), classifier_path).features
    near = closeness(learnt, *(one.features for one in seen.values()))
    seen = {name: replace(one, closeness=lies) for (name, one), lies in zip(seen.items(), near, strict=True)}
    scores = {name: _scores(params, seen["test"], seen[name], len(test.classes)) for name in DAMAGES}
    table = [[name, *(_cell(metric, found, scores["whole"]) for metric in METRICS)] for name, found in scores.items()]
    introduction = INTRODUCTION.format(count=count, clear=CLEAR_ERRORS, imbalance=CLEAR_IMBALANCE)
    return introduction + markdown(["digits", *METRICS], table) + "\n"


def _scores(params: Params, test: Embedded, damaged: Embedded, num_classes: int) -> dict[str, Score]:
    comparison = Comparison(test, damaged, num_classes, params.neighbours, params.seed)
    return {name: metric(comparison) for name, metric in METRICS.items()}


def _cell(metric: str, found: dict[str, Score], whole: dict[str, Score]) -> str:
    score, before = found[metric], whole[metric]
    if score.value is None or before.value is None:
        return "-"
    errors = [one.standard_error or 0.0 for one in (score, before)]
    clear = CLEAR_ERRORS * (errors[0] ** 2 + errors[1] ** 2) ** 0.5 or CLEAR_IMBALANCE
    text = f"{score.value:.3g}" if abs(score.value) < 100 else f"{score.value:.0f}"
    return f"**{text}**" if abs(score.value - before.value) > clear else text


if __name__ == "__main__":
    with report_errors("damages"):
        make_deterministic()
        document = run(load_params("evaluate", Params), Path("data"))
        write_text(DOCUMENT, document)
        sys.stdout.write(document)
