"""How each metric rates real digits damaged in known ways: `python -m tools.damages` writes docs/damages.md.

    python -m tools.damages --other FOLDER      also with the images of another data set in the digits' place

Reads the digits and the classifier of a finished run in data/. The validation digits, damaged, take the samples' place;
so the first row, undamaged, is the floor of every evaluation. FOLDER holds the other set's IDX file of test images,
plain or as .gz. Fashion-MNIST's, for example, is in a package of Debian:

    apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb fashion
    python -m tools.damages --other fashion/usr/share/datasets/fashion-mnist
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms import functional as pictures

from stages import two_sample
from stages.classifier.model import load_classifier
from stages.common import draws
from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.images import ImageSet, load_image_set, to_float, to_levels
from stages.common.params import load_params
from stages.common.runtime import make_deterministic, report_errors
from stages.datasets.formats.idx import read_images
from stages.datasets.sources.base import FileError
from stages.datasets.sources.folder import Folder
from stages.evaluate import Params
from stages.evaluation.comparisons import Comparison
from stages.evaluation.embedded import Embedded, beside_training, embed
from stages.evaluation.registry import METRICS
from stages.evaluation.scores import Score
from tools import judged_damages
from tools.fresh import interruptible
from tools.tables import markdown

DOCUMENT = Path("docs/damages.md")
DROPPED = 8
CLEAR_ERRORS = 5.0
"""How many standard errors of the difference make a change clear."""
OTHER = "other data set"
OTHER_FILE = "t10k-images-idx3-ubyte"
OTHER_LIMIT = 1 << 30
"""Bytes of that file, at most."""
FASHION_MNIST = "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017; Debian's package `dataset-fashion-mnist`)"
KNOWN = {"5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b": FASHION_MNIST}
"""Other data sets by the SHA-256 of that file, uncompressed."""

Damage = Callable[[ImageSet, ImageSet], ImageSet]
"""Validation and training digits to damaged ones."""

INTRODUCTION = """# What each metric says of damaged images

Real images (the first {count:,} validation images) in the samples' place, whole and then damaged, against the test
images. **Bold**: clearly other than whole images score ({clear:g} standard errors of the difference). Every column
should have its bold figures, and every row its own pattern: that is what tells one failure of a GAN from another. A
few copies among good samples hardly move `c_t` and `authenticity`; `near_training` shows them first. Written by
`python -m tools.damages`, from the images and the classifier of a finished run. The columns, explained further in
[metrics.md](metrics.md):

{columns}

"""
OTHER_INTRODUCTION = """The row *{name}*: the first {count:,} images of
{set}
in the digits' place, with the labels of those digits (option `--other`; `{file}` with the SHA-256
`{sha256}`).

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
    """The first digits, as many as `count` says, exchanged for training digits."""

    def exchanged(digits: ImageSet, train: ImageSet) -> ImageSet:
        n = min(count(digits), len(train))
        images = torch.cat([train.images[:n], digits.images[n:]])
        return ImageSet(images, torch.cat([train.labels[:n], digits.labels[n:]]), digits.classes)

    return exchanged


def swapped(digits: ImageSet, _: ImageSet) -> ImageSet:
    """Each label is the next class's."""
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
    "training images": training(len),
    "5 % training images": training(lambda digits: len(digits) // 20),
    "labels swapped": swapped,
}


def read_other(folder: Path, like: ImageSet) -> tuple[Tensor, str]:
    """As many images of another data set as there are digits, float32 [N, C, H, W] in [-1, 1], and the file's SHA-256.

    Raises UserError if the folder holds no such IDX file, plain or as .gz, or too few images or those of another size.
    """
    try:
        content = Folder(folder).read(OTHER_FILE, OTHER_LIMIT)
    except FileError as error:
        raise UserError(f"--other {folder}: expected a folder with {OTHER_FILE}, plain or as .gz ({error})") from None
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / OTHER_FILE
        path.write_bytes(content)
        levels = read_images(path)[: len(like)]
    images = to_float(levels.unsqueeze(1))
    if images.shape != like.images.shape:
        raise UserError(f"--other {folder}: expected images {list(like.images.shape)}, found {list(images.shape)}")
    return images, hashlib.sha256(content).hexdigest()


def run(params: Params, data: Path, other: Path | None = None) -> str:
    """The document. Raises UserError if a file of data/, or of the other data set's folder, is missing."""
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    paths = [data / "normalize" / f"{split}.safetensors" for split in ("train", "validation", "test")]
    train, validation, test = map(load_image_set, paths)
    validation = validation.select(slice(params.num_images))
    classifier = load_classifier(classifier_path, test, paths[-1])

    damaged = {name: damage(validation, train) for name, damage in DAMAGES.items()}
    introduction = introduced(len(validation))
    if other is not None:
        images, sha256 = read_other(other, validation)
        damaged[OTHER] = replace(validation, images=images)
        known = KNOWN.get(sha256, "a data set that this tool does not know")
        introduction += OTHER_INTRODUCTION.format(
            name=OTHER, count=len(validation), set=known, file=OTHER_FILE, sha256=sha256
        )
    sets = {name: embed(classifier, digits, classifier_path) for name, digits in ({"test": test} | damaged).items()}
    sets = beside_training(sets, embed(classifier, train, classifier_path).features)
    scores = {name: _scores(params, sets["test"], sets[name], len(test.classes)) for name in damaged}
    table = [
        [name, *(_cell(own[metric], scores["whole"][metric]) for metric in METRICS)] for name, own in scores.items()
    ]
    return introduction + markdown(["digits", *METRICS], table) + "\n"


def run_judges(params: two_sample.Params, data: Path, other: Path | None = None) -> str:
    """The second part of the document. Raises UserError as `run` does."""
    damages = dict(DAMAGES)
    if other is not None:
        damages[OTHER] = lambda digits, _: replace(digits, images=read_other(other, digits)[0])
    scores = judged_damages.scores(params, data, damages)
    table = [[name, *(_cell(own[figure], scores["whole"][figure]) for figure in own)] for name, own in scores.items()]
    return judged_damages.introduced() + markdown(["digits", *scores["whole"]], table) + "\n"


def introduced(count: int) -> str:
    """The text above the table, whose digits are the first `count` of validation."""
    columns = "\n".join(f"- `{metric.name}`: {metric.explanation}" for metric in METRICS.values())
    return INTRODUCTION.format(count=count, clear=CLEAR_ERRORS, columns=columns)


def _scores(params: Params, test: Embedded, damaged: Embedded, num_classes: int) -> dict[str, Score]:
    comparison = Comparison(test, damaged, num_classes, params.neighbours, params.seed)
    return {name: metric(comparison) for name, metric in METRICS.items()}


def _cell(score: Score, whole: Score) -> str:
    """A score in bold, if it is clearly another than that of whole digits."""
    if score.value is None or whole.value is None:
        return "-"
    errors = [each.standard_error or 0.0 for each in (score, whole)]
    clear = CLEAR_ERRORS * (errors[0] ** 2 + errors[1] ** 2) ** 0.5
    text = shown(score.value)
    return f"**{text}**" if abs(score.value - whole.value) > clear else text


def shown(value: float) -> str:
    """A figure as the table has it."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def main() -> None:
    """Write the document, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tools.damages", description="What each metric says of damage")
    parser.add_argument("--other", type=Path, metavar="FOLDER", help=f"where another data set's {OTHER_FILE} is")
    arguments = parser.parse_args()
    with interruptible(), report_errors("damages"):
        make_deterministic()
        document = run(load_params("evaluate", Params), Path("data"), arguments.other)
        document += run_judges(load_params("two_sample", two_sample.Params), Path("data"), arguments.other)
        write_text(DOCUMENT, document)
        sys.stdout.write(document)


if __name__ == "__main__":
    main()
