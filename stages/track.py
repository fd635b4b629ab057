"""How good the averaged generator was over training, against the validation digits: a curve, and time to quality.

Validation digits, not test digits, because settings are chosen by this curve.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
from pydantic import Field
from tqdm import tqdm

from stages.classifier.model import finite_features, load_classifier
from stages.common.errors import UserError
from stages.common.files import write_csv, write_json
from stages.common.images import NO_LABEL, ImageSet, load_image_set, to_float, to_levels
from stages.common.params import StageParams
from stages.common.runtime import run_stage, show_progress
from stages.evaluation.curve import CurveDetails, CurveFloor, CurveProtocol, Reference, measure_floor, measure_row
from stages.evaluation.protocol import Split, features_of, versions
from stages.gan.sampler import Sampler
from stages.gan.snapshots import read_snapshots

COLUMNS = ["kimg", "fd_classifier", "coverage", "gan_test_accuracy"]


class Params(StageParams):
    """The section track of params.yaml."""

    num_images: Annotated[int, Field(ge=3, description="samples of each snapshot, and validation digits, at most")]
    neighbours: Annotated[int, Field(ge=1, description="which nearest neighbour coverage's balls reach to")]
    seed: Annotated[int, Field(ge=0, description="of the latents")]


def run(params: Params, data: Path) -> None:
    """Read snapshots, classifier and validation digits; write track.csv, a row for each snapshot, and details.json."""
    digits_path = data / "normalize" / "validation.safetensors"
    validation = load_image_set(digits_path)
    snapshots = read_snapshots(data / "train_gan" / "snapshots.safetensors", validation)
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, validation, digits_path)
    digits = validation.select(slice(params.num_images))
    if len(digits) <= params.neighbours:
        raise UserError(f"track.neighbours: expected less than the {len(digits)} validation digits compared")
    reference = Reference(classifier, finite_features(classifier, digits.images, classifier_path), params.neighbours)

    rows = []
    for snapshot in tqdm(snapshots, "track", unit="snapshot", disable=not show_progress()):
        samples = draw_samples(snapshot.sampler(params.seed), params.num_images, validation.classes)
        rows.append({"kimg": snapshot.kimg, **measure_row(samples, reference).content()})
    floor = measure_floor(validation, params.num_images, reference)

    table = pd.DataFrame(rows, columns=COLUMNS)
    protocol = CurveProtocol(
        num_images=params.num_images,
        reference=Split(split="validation", num_images=len(digits)),
        features=features_of(classifier, classifier_path),
        neighbours=params.neighbours,
        seed=params.seed,
        versions=versions(),
    )
    write_csv(data / "track" / "track.csv", table)
    write_json(data / "track" / "details.json", CurveDetails(floor=floor, protocol=protocol).content())
    report(table, floor.content() if isinstance(floor, CurveFloor) else {})


def draw_samples(sampler: Sampler, num_images: int, classes: list[str]) -> ImageSet:
    """The first samples, as files hold them, of all classes round-robin; without labels if G is unconditional."""
    y = torch.arange(num_images) % len(classes)
    images = to_float(to_levels(sampler.images(sampler.latents("z", num_images), y)))
    return ImageSet(images, y if sampler.num_classes else torch.full_like(y, NO_LABEL), classes)


def report(table: pd.DataFrame, floor: dict[str, float]) -> None:
    """Print the curve and its floor."""
    print(table.to_string(index=False))
    print("floor:", ", ".join(f"{name} {value:.6g}" for name, value in floor.items()) or "none")


if __name__ == "__main__":
    run_stage("track", Params, run)
