"""Measure the samples against the test digits, and real digits in their place: validation digits give the floor.

Everything is computed on the classifier's features, on the CPU, from the first samples at equal count. The training
digits answer one question only: whether the samples are copies of them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from torch import nn

from stages.classifier.model import load_classifier
from stages.common.class_names import MOST_NAMED
from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.images import ImageSet
from stages.common.labelled import missing_classes
from stages.common.params import StageParams, known_name
from stages.common.runtime import run_stage
from stages.common.shown import listed
from stages.evaluation.all_samples import all_files, look_at_all
from stages.evaluation.comparisons import MIN_IMAGES, compare, least_images
from stages.evaluation.details import OnInception, details_of, measure, protocol_of
from stages.evaluation.embedded import Embedded, beside_training, embed
from stages.evaluation.files import write_evaluation
from stages.evaluation.image_sets import read_images
from stages.evaluation.inception import embed_again, features_of_first, load_inception
from stages.evaluation.judge import read_least_accuracy, why_no_judgement
from stages.evaluation.papers import images_needed, left_out, paper_entries
from stages.evaluation.protocol import features_of
from stages.evaluation.registry import EVERY, PAPERS, STACKS
from stages.evaluation.tables import shown_figures, summary
from stages.evaluation.verdict import in_plain_words

LEAST_TRAINING = 2
MOST_SHOWN = 4
"""Figures in metrics.json: with three of the stage two_sample and cas, of usefulness, `dvc exp show` has eight."""


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("expected each metric once")
    return names


class Params(StageParams):
    """The section evaluate of params.yaml."""

    metrics: Annotated[
        list[Annotated[str, known_name(lambda: EVERY)]],
        AfterValidator(_unique),
        Field(min_length=1, max_length=MOST_SHOWN, description="figures of metrics.json, see docs/metrics.md"),
    ]
    neighbours: Annotated[
        int, Field(ge=1, description="which nearest neighbour the balls of precision, recall, density, coverage reach")
    ]
    num_images: Annotated[
        int, Field(ge=MIN_IMAGES, description="the most samples to compare: the first ones, and as many real images")
    ]
    protocol: Annotated[
        Literal["classifier", "inception"],
        Field(description="inception: FID and KID on Inception features too, to compare with papers; slow"),
    ]
    seed: Annotated[int, Field(ge=0, description="of halves, of parts for fd_infinity, and of resampling")]

    @model_validator(mode="after")
    def _papers_need_inception(self) -> "Params":
        if self.protocol != "inception" and (named := [name for name in self.metrics if name in PAPERS]):
            raise ValueError(f"expected protocol inception for {' and '.join(named)} among metrics")
        return self


def run(params: Params, data: Path) -> None:
    """Read digits, samples and classifier; write metrics.json, details.json, tables and pictures."""
    # Load the images, at equal count, and the networks that see them.
    all_images, paths = read_images(data, most=params.num_images)
    require_training_digits(all_images["train"], paths["train"])
    require_stacks(params, all_images["test"])
    images = at_equal_count(params, all_images)
    files = all_files(paths["samples"].parent, images["samples"])
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, images["test"], paths["test"])
    least_accuracy = read_least_accuracy(data / "normalize" / "dataset.json")
    inception = load_inception() if params.protocol == "inception" else None
    if not inception:
        all_images = images  # the other samples leave the memory
    for line in remarks(params, images, all_images):
        print(line, file=sys.stderr)

    # Embed them; the training digits only serve to find copies.
    sets = {name: embed(classifier, image_set, classifier_path) for name, image_set in images.items()}
    training = sets.pop("train")
    sets = beside_training(sets, training.features)

    # Compare samples, real digits in their place, and halves of the test digits.
    names = images["test"].classes
    comparisons = compare(sets, len(names), params.neighbours, params.seed)
    on_inception = compare_again(inception, params, sets, all_images) if inception else None

    # Look at all samples, where they are more than one file.
    every = look_at_all(files, images, classifier_path, training.features, sets["test"].features) if files else None

    # Describe: all figures, what they depend on, and a line of plain words.
    figures = measure(images["test"], comparisons, on_inception)
    features = features_of(classifier, classifier_path)
    protocol = protocol_of(comparisons.samples, len(training.features), features, with_inception=inception is not None)
    doubt = why_no_judgement("the classifier", protocol.features.test_accuracy, least_accuracy, "test images")
    details = details_of(figures, protocol, in_plain_words(figures, doubt, images["samples"].remarks), every)

    # Write.
    shown, left_out = shown_figures(params.metrics, details.metrics)
    write_evaluation(data / "evaluate", shown, names, comparisons, images, details)
    for name, reason in left_out.items():
        print(f"metrics.json leaves out {name}: {reason}", file=sys.stderr)
    print(summary(details.metrics, details.papers))
    print(details.in_plain_words)
    if every:
        print(every.in_plain_words)


def compare_again(
    inception: nn.Module, params: Params, sets: dict[str, Embedded], images: dict[str, ImageSet]
) -> OnInception:
    """The comparisons of these sets, and those of papers, on Inception features. images: all of each set."""
    counts = images_needed(images)
    counts |= {name: max(counts[name], len(each.features)) for name, each in sets.items()}
    features = features_of_first(inception, images, counts)
    comparisons = compare(embed_again(sets, features), len(images["test"].classes), params.neighbours, params.seed)
    return OnInception(comparisons, paper_entries(images, features))


def require_stacks(params: Params, images: ImageSet) -> None:
    """Raise UserError if metrics of stacks are to be shown of images that are none."""
    if not images.singles and (named := [name for name in params.metrics if name in STACKS]):
        raise UserError(
            f"evaluate.metrics: {' and '.join(named)} count the modes of stacks; leave out, or set normalize.stack"
        )


def require_training_digits(images: ImageSet, path: Path) -> None:
    """Raise UserError if there are too few to know how far apart training digits lie."""
    if len(images) < LEAST_TRAINING:
        actual = f"expected at least {LEAST_TRAINING} images, to know how far apart they lie, found 1"
        raise UserError(f"{path}: {actual}; {remedy(path)}")


def at_equal_count(params: Params, images: dict[str, ImageSet]) -> dict[str, ImageSet]:
    """The first samples and as many validation digits. Raises UserError if they are too few for the metrics."""
    samples, validation, test = images["samples"], images["validation"], images["test"]
    count = min(params.num_images, len(samples), len(validation))
    needed = least_images(params.neighbours)
    if min(count, len(test)) < needed:
        raise UserError(
            f"too few images for evaluate.neighbours = {params.neighbours}: expected at least {needed} of each, found "
            f"{len(samples)} samples (generate.num_images), {len(validation)} validation and {len(test)} test images, "
            f"of which evaluate.num_images = {params.num_images} are compared"
        )
    first = slice(count)
    return images | {"samples": samples.select(first).copy(), "validation": validation.select(first)}


def remarks(params: Params, images: dict[str, ImageSet], all_images: dict[str, ImageSet]) -> Iterator[str]:
    """What a user may not expect of these images, a line for each, before the long work.

    images: those of the metrics; all_images: those that protocols of papers may compare.
    """
    samples = images["samples"]
    if len(samples) < params.num_images:
        yield f"evaluate.num_images = {params.num_images}: {len(samples)} samples and as many validation images exist"
    for name, title in (("test", "test image"), ("validation", "validation image"), ("samples", "sample")):
        if images[name].has_labels and (missing := missing_classes(images[name])):
            yield f"no {title} of {listed(missing, MOST_NAMED)}: distances of such a class are undefined"
    if params.protocol == "inception":
        yield from left_out(all_images)


if __name__ == "__main__":
    run_stage("evaluate", Params, run)
