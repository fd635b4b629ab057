"""Can a network tell the samples from real digits? The classifier two-sample test, and a second opinion on distance.

Judges learn to tell samples from training digits; how often they are right on other samples and on test digits is the
figure, 50 % the best there is. The second opinion is the Fréchet distance on the features of a network that has another
build and seed than the classifier of stage train_classifier, so that tuning to that classifier shows.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor

from stages.classifier.fit import Recipe
from stages.classifier.judge import Judge
from stages.classifier.model import load_classifier
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.images import ImageSet, load_alike
from stages.common.runtime import run_stage
from stages.evaluation.protocol import features_of
from stages.evaluation.scores import Score, estimated
from stages.evaluation.sides import Sides, sides
from stages.evaluation.two_sample import LINEAR, VIEWS, judged_by_line, train_all
from stages.evaluation.two_sample_details import (
    SecondProtocol,
    TwoSampleDetails,
    in_plain_words,
    judged_entry,
    protocol,
    second_entry,
)
from stages.metrics.frechet import frechet_estimate


class Params(Recipe):
    """The section two_sample of params.yaml: the recipe of the judges, and what they see."""

    num_train: Annotated[int, Field(ge=2, description="samples that judges learn from, at most; as many real digits")]
    num_test: Annotated[int, Field(ge=2, description="samples that judges are tested on, at most; as many real digits")]
    seeds: Annotated[
        list[Annotated[int, Field(ge=0)]],
        Field(min_length=1, description="one judge is trained for each; the first is the second opinion's too"),
    ]


def run(params: Params, data: Path) -> None:
    """Read digits, samples and classifier; write metrics.json and details.json."""
    # Load the images and choose those to compare.
    paths = {name: data / "normalize" / f"{name}.safetensors" for name in ("train", "test", "validation")}
    paths["samples"] = data / "generate" / "samples.safetensors"
    train, test, validation, samples = load_alike(*paths.values())
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, test, paths["test"])
    both = {
        name: sides(train, test, candidates, params.num_train, params.num_test)
        for name, candidates in (("samples", samples), ("floor", validation_like(samples, validation)))
    }
    recipe = Recipe.model_validate(params.model_dump(exclude={"num_train", "num_test", "seeds"}))
    refuse_short(recipe, both)

    # Judge them.
    judged, second = train_all(both, train, recipe, params.seeds)
    judged[LINEAR] = {name: judged_by_line(images, classifier, classifier_path) for name, images in both.items()}
    seed = params.seeds[0]
    metrics = {name: judged_entry(of["samples"], of["floor"], seed) for name, of in judged.items()}

    # Ask for a second opinion, at equal count.
    count = min(params.num_test, len(samples), len(validation))
    distance, floor = (second_distance(second, test, images.select(slice(count))) for images in (samples, validation))
    fd_second = second_entry(distance, floor, seed)
    second_protocol = SecondProtocol(
        num_images=count,
        reference_images=len(test),
        num_train=len(train),
        accuracy=(in_blocks(second, test.images).argmax(dim=1) == test.labels).double().mean().item(),
    )

    # Write.
    features = features_of(classifier, classifier_path)
    details = TwoSampleDetails(
        metrics=metrics,
        fd_second=fd_second,
        in_plain_words=in_plain_words(metrics, fd_second),
        protocol=protocol(recipe, params.seeds, samples.has_labels, both, features, second_protocol),
    )
    folder = data / "two_sample"
    write_json(folder / "metrics.json", {name: metrics[name].value for name in (*VIEWS, LINEAR)})
    write_json(folder / "details.json", details.content())
    print(details.in_plain_words)


def validation_like(samples: ImageSet, validation: ImageSet) -> ImageSet:
    """The validation digits that take the samples' place: of the same classes, and unlabelled if these are."""
    if not samples.has_labels:
        return ImageSet(validation.images, samples.labels.new_full((len(validation),), -1), validation.classes)
    return validation.select((validation.labels[:, None] == samples.labels.unique()).any(dim=1))


def refuse_short(recipe: Recipe, both: dict[str, Sides]) -> None:
    """Raises UserError if there are fewer images to learn from than in one batch."""
    fewest = min(2 * len(images.train_real) for images in both.values())
    if fewest < recipe.batch_size:
        raise UserError(f"two_sample.batch_size: expected at most the {fewest} images, found {recipe.batch_size}")


def second_distance(network: Judge, test: ImageSet, candidates: ImageSet) -> Score:
    """The Fréchet distance of the candidates to the test digits on the network's features."""

    def features(digits: ImageSet) -> Tensor:
        return in_blocks(network.features, digits.images)

    return estimated(frechet_estimate(features(test), features(candidates)), never_negative=True)


if __name__ == "__main__":
    run_stage("two_sample", Params, run)
