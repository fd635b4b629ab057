"""Look into the networks of a run: what truncated latents do to quality, and what D says of real images and samples."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import AfterValidator, Field

from stages.classifier.model import finite_features, load_classifier
from stages.common.errors import UserError
from stages.common.files import write_bytes, write_csv
from stages.common.images import ImageSet, load_alike, to_float, to_levels
from stages.common.params import PARAMS_FILE, StageParams, read_params_file
from stages.common.runtime import run_stage
from stages.common.shown import shown
from stages.evaluation.drawing import png_of
from stages.gan.initial import OWN_RUN, require_origin
from stages.gan.losses import LOSSES, Loss
from stages.generation.judgements import SAMPLES, has_probability, histogram, read_judge, require_of_digits
from stages.generation.subject import Subject, read_subject
from stages.generation.tradeoff import Yardstick, measure, settings


class Params(StageParams):
    """The section inspect of params.yaml."""

    nets: Annotated[
        str,
        AfterValidator(require_origin),
        Field(description="whose G and D: train_gan, of this run, or init/<name>, in data/init"),
    ]
    num_images: Annotated[int, Field(ge=3, description="samples of each setting, and images of each set, at most")]
    neighbours: Annotated[int, Field(ge=1, description="which nearest neighbour the balls reach to")]
    cuts: Annotated[
        list[Annotated[float, Field(ge=0.01, le=10)]],
        Field(min_length=1, max_length=20, description="where the distribution of the latents ends on both sides"),
    ]
    pulls: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]],
        Field(min_length=1, max_length=20, description="parts of the way to the latent that is typical of the class"),
    ]
    seed: Annotated[int, Field(ge=0, description="of the latents")]


def run(params: Params, data: Path, loss: Loss) -> None:
    """Read both networks, the classifier and real digits; write two tables and two pictures.

    loss: that of train_gan. Which one trained the D of another run, its file does not say.
    """
    paths = [data / "normalize" / f"{split}.safetensors" for split in ("validation", "train")]
    validation, train = (digits.select(slice(params.num_images)).copy() for digits in load_alike(*paths))
    if len(validation) <= params.neighbours:
        compared = f"the {len(validation)} validation images compared"
        raise UserError(f"inspect.neighbours: expected less than {compared}, found {params.neighbours}")
    generator = data / params.nets / "generator.safetensors"
    subject = read_subject(generator, params.seed)
    require_of_digits(generator, "classes", subject.classes, validation.classes)
    require_of_digits(generator, "image shape", subject.image_shape, validation.image_shape)
    of_one_class = subject.sampler.num_classes > 0
    judge = read_judge(data / params.nets / "discriminator.safetensors", validation, of_one_class)
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, validation, paths[0])
    features = finite_features(classifier, validation.images, classifier_path)
    yardstick = Yardstick(classifier, classifier_path, features, params.neighbours, {})

    tables, picture = measure(settings(subject, params.cuts, params.pulls), yardstick)
    sets = {SAMPLES: samples(subject, len(validation)), "validation images": validation, "training images": train}
    as_odds = has_probability(loss) if params.nets == OWN_RUN else None
    figure = histogram({name: judge.logits(images) for name, images in sets.items()}, as_odds)
    for way, table in tables.items():
        write_csv(data / "inspect" / f"{way}.csv", table)
        print(table.to_string(index=False))
    write_bytes(data / "inspect" / "truncation.png", picture)
    write_bytes(data / "inspect" / "discriminator.png", png_of(figure))


def samples(subject: Subject, count: int) -> ImageSet:
    """The first samples as files hold them, with the classes that they were drawn for."""
    labels = subject.labels_of(count)
    images = to_float(to_levels(subject.images(subject.latents(range(count)), labels)))
    return ImageSet(images, torch.tensor(labels), subject.classes)


def read_loss() -> Loss:
    """The loss of train_gan in params.yaml. Raises UserError if there is none of that name."""
    section = read_params_file().get("train_gan")
    name = section.get("loss") if isinstance(section, dict) else None
    if not isinstance(name, str) or name not in LOSSES:
        raise UserError(
            f"{PARAMS_FILE}: train_gan.loss: expected one of {', '.join(sorted(LOSSES))}, found {shown(name)}"
        )
    return LOSSES[name]


if __name__ == "__main__":
    run_stage("inspect", Params, lambda params, data: run(params, data, read_loss()))
