"""Can a network tell the samples from real digits? The classifier two-sample test, and a second opinion on distance.

Judges learn to tell samples from training digits; how often they are right on other samples and on test digits is the
figure, 50 % the best there is. The second opinion is the Fréchet distance on the features of a network that has another
build and seed than the classifier of stage train_classifier, so that tuning to that classifier shows.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from stages.classifier.accuracy import Seeds
from stages.classifier.fit import Recipe
from stages.classifier.model import Classifier, finite_features, load_classifier, recognised_classes
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.images import NO_LABEL, ImageSet
from stages.common.runtime import run_stage
from stages.evaluation.image_sets import read_images
from stages.evaluation.judge import read_least_accuracy, why_no_judgement
from stages.evaluation.protocol import features_of, intervals, versions
from stages.evaluation.second_opinion import second_opinion, second_protocol
from stages.evaluation.sides import Sides, TooFewOfAClassError, floor_sides, shuffled, sides
from stages.evaluation.two_sample import LINEAR, VIEWS, judged_by_line, train_all
from stages.evaluation.two_sample_details import (
    MATCHED,
    UNLABELLED,
    UNMATCHED,
    TwoSampleDetails,
    TwoSampleProtocol,
    counts,
    in_plain_words,
    judged_entry,
)
from stages.metrics.classes import gan_test_accuracy

LEAST_BATCH = 2
"""Images in the batch of a judge, which normalises over it."""


class Params(Recipe):
    """The section two_sample of params.yaml: the recipe of the judges, and what they see."""

    num_train: Annotated[int, Field(ge=2, description="samples that judges learn from, at most; as many real images")]
    num_test: Annotated[int, Field(ge=2, description="samples that judges are tested on, at most; as many real images")]
    seeds: Annotated[Seeds, Field(description="a judge for each; the first is the second opinion's too")]

    @property
    def recipe(self) -> Recipe:
        """That of every network."""
        return Recipe.model_validate(self.model_dump(exclude={"num_train", "num_test", "seeds"}))


def run(params: Params, data: Path) -> None:
    """Read digits, samples and classifier; write metrics.json and details.json."""
    # Load the images and choose those to compare.
    images, paths = read_images(data, most=params.num_train + params.num_test)
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, images["test"], paths["test"])
    least_accuracy = read_least_accuracy(data / "normalize" / "dataset.json")
    on_pixels, on_features, matching = compared(params, images)

    # Judge them.
    digits = images["train"].select(slice(params.num_train))
    recipe = recipe_for(params.recipe, on_pixels, len(digits))
    judged, network = train_all(on_pixels, digits, recipe, params.seeds)
    judged[LINEAR] = {name: judged_by_line(each, classifier, classifier_path) for name, each in on_features.items()}
    metrics = {name: judged_entry(of["samples"], of["floor"], params.seeds[0]) for name, of in judged.items()}

    # Get a second opinion on the distance, at equal count.
    count = min(params.num_test, len(images["samples"]), len(images["validation"]))
    fd_second = second_opinion(network, images, count, params.seeds[0])

    # Write.
    protocol = TwoSampleProtocol(
        recipe=recipe,
        seeds=params.seeds,
        labels=matching,
        counts={LINEAR: counts(on_features)} | {view: counts(on_pixels) for view in VIEWS},
        features=features_of(classifier, classifier_path),
        fd_second=second_protocol(network, images["test"], count, len(digits)),
        ratio_interval=intervals(),
        versions=versions(),
    )
    doubt = why_features_say_nothing(classifier, images["test"], classifier_path, least_accuracy)
    words = in_plain_words(metrics, fd_second, len(on_pixels["samples"].train_candidates), doubt)
    details = TwoSampleDetails(metrics=metrics, fd_second=fd_second, in_plain_words=words, protocol=protocol)
    folder = data / "two_sample"
    write_json(folder / "metrics.json", {name: entry.value for name, entry in metrics.items()})
    write_json(folder / "details.json", details.content())
    print(words)


def why_features_say_nothing(classifier: Classifier, digits: ImageSet, source: Path, least: float) -> str | None:
    """Why not to trust a judge of the classifier's features, in words; source: its file; digits: test digits."""
    recognised = recognised_classes(classifier, finite_features(classifier, digits.images, source), source)
    accuracy = gan_test_accuracy(digits.labels, recognised).value
    return why_no_judgement("the classifier", accuracy, least, "test images")


def compared(params: Params, images: dict[str, ImageSet]) -> tuple[dict[str, Sides], dict[str, Sides], str]:
    """What judges of pixels and judges of features compare, and how classes are matched; see sides_of.

    Where some class has too few images, as of a thousand modes or of a few images of one's own, none is matched.
    """
    if not images["samples"].has_labels:
        return *sides_of(params, images), UNLABELLED
    try:
        return *sides_of(params, images), MATCHED
    except TooFewOfAClassError:
        kept = {name: like(images["samples"], each) for name, each in images.items()}
        return *sides_of(params, {name: unlabelled(each) for name, each in kept.items()}), UNMATCHED


def sides_of(params: Params, images: dict[str, ImageSet]) -> tuple[dict[str, Sides], dict[str, Sides]]:
    """What judges of pixels and judges of features compare: the samples, and digits in their place for the floor.

    On pixels the real digits to learn from are training digits. On features they are validation digits, for the
    classifier sees the digits that it was trained on with other eyes. Raises TooFewOfAClassError.
    """
    samples, limits = images["samples"], (params.num_train, params.num_test)
    train, test, validation = (
        shuffled(images[name], params.seeds[0], name) for name in ("train", "test", "validation")
    )
    floor = floor_sides(like(samples, validation), test, *limits)
    on_pixels = {"samples": sides(train, test, samples, *limits), "floor": floor}
    on_features = {"samples": sides(validation, test, samples, *limits), "floor": floor}
    return on_pixels, on_features


def recipe_for(recipe: Recipe, on_pixels: dict[str, Sides], num_digits: int) -> Recipe:
    """The recipe with smaller batches, if some network learns from fewer images than one batch of it.

    num_digits: of which the network of the second opinion learns. Raises UserError if some network has a single image.
    """
    fewest = min(num_digits, *(2 * len(chosen.train_real) for chosen in on_pixels.values()))
    if fewest < LEAST_BATCH:
        raise UserError(f"two_sample: too few images to learn from: expected at least {LEAST_BATCH}, found {fewest}")
    return recipe.model_copy(update={"batch_size": min(recipe.batch_size, fewest)})


def like(samples: ImageSet, digits: ImageSet) -> ImageSet:
    """The digits of the samples' classes; without labels if these have none."""
    if not samples.has_labels:
        return unlabelled(digits)
    return digits.select((digits.labels[:, None] == samples.labels.unique()).any(dim=1))


def unlabelled(images: ImageSet) -> ImageSet:
    """The same images without labels."""
    return replace(images, labels=torch.full_like(images.labels, NO_LABEL))


if __name__ == "__main__":
    run_stage("two_sample", Params, run)
