"""How good the averaged generator was over training: a curve against the validation digits, and an animation.

Validation digits, not test digits, because settings are chosen by this curve.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
from pydantic import Field

from stages.classifier.model import Classifier, load_classifier
from stages.common.errors import UserError
from stages.common.files import write_bytes, write_csv, write_json
from stages.common.grids import Levels, grid
from stages.common.images import NO_LABEL, ImageSet, load_image_set, to_float, to_levels
from stages.common.labelled import require_labels
from stages.common.params import StageParams
from stages.common.progress import counted
from stages.common.runtime import run_stage
from stages.evaluation.animation import Frame, animation, frames_shown, layout
from stages.evaluation.curve import (
    CurveDetails,
    CurveFeatures,
    CurveFloor,
    CurveProtocol,
    Reference,
    in_plain_words,
    measure_floor,
    measure_row,
    reference_of,
)
from stages.evaluation.judge import read_least_accuracy, why_no_judgement
from stages.evaluation.protocol import Split, features_of, versions
from stages.gan.snapshots import Snapshot, read_snapshots

COLUMNS = ["kimg", "fd_classifier", "coverage", "gan_test_accuracy"]


class Params(StageParams):
    """The section track of params.yaml."""

    num_images: Annotated[int, Field(ge=3, description="samples of each snapshot, and validation images, at most")]
    neighbours: Annotated[int, Field(ge=1, description="which nearest neighbour coverage's balls reach to")]
    seed: Annotated[int, Field(ge=0, description="of the latents")]


def run(params: Params, data: Path) -> None:
    """Read snapshots, classifier and validation digits; write a row and a frame for each snapshot, and details."""
    validation, snapshots, classifier, classifier_path = read_inputs(params, data)
    least_accuracy = read_least_accuracy(data / "normalize" / "dataset.json")
    digits = validation.select(slice(params.num_images))
    reference = reference_of(classifier, classifier_path, digits, params.neighbours)

    rows, frames, shown = [], [], frames_shown(len(snapshots))
    for number, snapshot in enumerate(counted(snapshots, "track", len(snapshots), "snapshot")):
        figures = measure_row(draw_samples(snapshot, params, validation.classes), reference)
        rows.append({"kimg": snapshot.kimg, **figures.content()})
        if number in shown:
            frames.append(Frame(snapshot.kimg, figures.fd_classifier, draw_grid(snapshot, params.seed)))
    floor = measure_floor(validation, params.num_images, reference)

    table = pd.DataFrame(rows, columns=COLUMNS)
    picture = animation(frames, floor.fd_classifier if isinstance(floor, CurveFloor) else None)
    doubt = why_no_judgement("the classifier", reference.accuracy, least_accuracy, "validation images")
    words = in_plain_words(table["kimg"].tolist(), table["fd_classifier"].tolist(), floor, doubt)
    details = CurveDetails(floor=floor, in_plain_words=words, protocol=protocol_of(params, reference))
    write_csv(data / "track" / "track.csv", table)
    write_json(data / "track" / "details.json", details.content())
    write_bytes(data / "track" / "training.gif", picture)
    report(table, floor.content() if isinstance(floor, CurveFloor) else {})
    print(words)


def read_inputs(params: Params, data: Path) -> tuple[ImageSet, list[Snapshot], Classifier, Path]:
    """Validation digits, snapshots, the classifier and its file, all checked before anything is computed."""
    digits_path = data / "normalize" / "validation.safetensors"
    validation = load_image_set(digits_path)
    require_labels(digits_path, validation)
    compared = min(params.num_images, len(validation))
    if compared <= params.neighbours:
        raise UserError(
            f"track.neighbours: expected less than the {compared} validation images compared, of {len(validation)} "
            f"(track.num_images = {params.num_images}), found {params.neighbours}"
        )
    path = data / "train_gan" / "snapshots.safetensors"
    snapshots = read_snapshots(path, validation)
    for snapshot in snapshots:
        snapshot.sampler(params.seed)  # refuses what is no generator before the first one is measured
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    return validation, snapshots, load_classifier(classifier_path, validation, digits_path), classifier_path


def draw_samples(snapshot: Snapshot, params: Params, classes: list[str]) -> ImageSet:
    """The first samples, as files hold them, of all classes round-robin; without labels if G is unconditional.

    Raises UserError if pixels are not numbers.
    """
    sampler = snapshot.sampler(params.seed)
    y = torch.arange(params.num_images) % len(classes)
    images = sampler.images(sampler.latents("z", params.num_images), y)
    return ImageSet(to_float(to_levels(images)), y if sampler.num_classes else torch.full_like(y, NO_LABEL), classes)


def draw_grid(snapshot: Snapshot, seed: int) -> Levels:
    """The first of those samples as a picture, column by column a class; the same latents for every snapshot."""
    sampler, num_classes = snapshot.sampler(seed), len(snapshot.meta["classes"])
    rows, columns = layout(num_classes)
    y = torch.arange(rows * columns) % num_classes
    return grid(sampler.images(sampler.latents("z", len(y)), y), columns)


def protocol_of(params: Params, reference: Reference) -> CurveProtocol:
    """What the rows depend on."""
    features = dict(features_of(reference.classifier, reference.source))
    return CurveProtocol(
        num_images=params.num_images,
        reference=Split(split="validation", num_images=len(reference.features)),
        features=CurveFeatures(**features, validation_accuracy=reference.accuracy),
        neighbours=params.neighbours,
        seed=params.seed,
        versions=versions(),
    )


def report(table: pd.DataFrame, floor: dict[str, float]) -> None:
    """Print the curve and its floor."""
    print(table.to_string(index=False))
    print("floor:", ", ".join(f"{name} {value:.6g}" for name, value in floor.items()) or "none")


if __name__ == "__main__":
    run_stage("track", Params, run)
