"""How good the averaged generator was over training, against the validation digits: a curve, and time to quality.

Validation digits, not test digits: this is what settings are chosen by. The floor is that of other validation digits.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from stages.classifier.model import Classifier, finite_features, load_classifier
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import read_tensors, remedy, write_json, write_text
from stages.common.images import ImageSet, load_image_set, to_float, to_levels
from stages.common.params import StageParams
from stages.common.runtime import run_stage, show_progress
from stages.evaluation import protocol
from stages.gan.sampler import Sampler, sampler_from
from stages.metrics import neighbours
from stages.metrics.classes import gan_test_accuracy
from stages.metrics.frechet import frechet_distance


class Params(StageParams):
    """The section track of params.yaml."""

    num_images: Annotated[int, Field(ge=3, description="samples of each snapshot, and validation digits, at most")]
    neighbours: Annotated[int, Field(ge=1, description="which nearest neighbour coverage's balls reach to")]
    seed: Annotated[int, Field(ge=0, description="of the latents")]


def run(params: Params, data: Path) -> None:
    """Read snapshots, classifier and validation digits; write track.csv, a row for each snapshot, and details.json."""
    path = data / "train_gan" / "snapshots.safetensors"
    validation_path = data / "normalize" / "validation.safetensors"
    validation = load_image_set(validation_path)
    tensors, meta = read_snapshots(path, validation)
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(classifier_path, validation, validation_path)
    real = validation.images[: params.num_images]
    if len(real) <= params.neighbours:
        raise UserError(f"track.neighbours: expected less than the {len(real)} validation digits compared")
    reference = finite_features(classifier, real, classifier_path)
    rows = []
    snapshots = list(by_steps(tensors))
    for steps, generator in tqdm(snapshots, "track", unit="snapshot", disable=not show_progress()):
        sampler = sampler_from(generator, meta, params.seed, str(path))
        figures = measure_snapshot(sampler, classifier, reference, len(meta["classes"]), params)
        rows.append({"kimg": steps * meta["batch_size"] / 1000, **figures})
    columns = ["kimg", "fd_classifier", "coverage", "gan_test_accuracy"]
    table = pd.DataFrame(rows, columns=columns)
    floor = measure_floor(validation, classifier, reference, params)
    features = protocol.features_of(classifier, classifier_path)
    details = {"floor": floor, "protocol": describe(params, len(real), features)}
    write_text(data / "track" / "track.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    write_json(data / "track" / "details.json", details)
    print(table.to_string(index=False))
    print("floor:", ", ".join(f"{name} {value:.6g}" for name, value in floor.items() if name != "undefined") or "none")


def describe(params: Params, num_reference: int, features: dict[str, Any]) -> dict[str, Any]:
    """What the rows of track.csv depend on, for a CSV of curves has no place to say so."""
    return {
        "num_images": params.num_images,
        "reference": {"split": "validation", "num_images": num_reference},
        "features": features,
        "neighbours": params.neighbours,
        "seed": params.seed,
        "versions": protocol.versions(),
    }


def read_snapshots(path: Path, digits: ImageSet) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of all snapshots and their description. Raises UserError if they are no such, or of other digits."""
    tensors, meta = read_tensors(path)
    arguments = meta.get("arguments")
    shape = arguments.get("image_shape") if isinstance(arguments, dict) else None
    for what, found, expected in (
        ("tensors without a number of steps", [name for name in tensors if not re.match(r"\d+\.", name)], []),
        ("type of batch_size", type(meta.get("batch_size")).__name__, "int"),
        ("image shape", shape, list(digits.images.shape[1:])),
        ("classes", meta.get("classes"), digits.classes),
    ):
        if found != expected:
            raise UserError(f"{path}: expected {what} {expected}, found {found}; {remedy(path)}")
    return tensors, meta


def by_steps(tensors: dict[str, Tensor]) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """The snapshots in the order of training: steps done, and the tensors of the generator."""
    for steps in sorted({int(name.partition(".")[0]) for name in tensors}):
        yield steps, {name.partition(".")[2]: t for name, t in tensors.items() if name.startswith(f"{steps}.")}


def measure_snapshot(
    sampler: Sampler, classifier: Classifier, reference: Tensor, num_classes: int, params: Params
) -> dict[str, float | None]:
    """The three figures of one snapshot against the reference features [N, F]; classes balanced.

    gan_test_accuracy is None for an unconditional GAN.
    """
    y = torch.arange(params.num_images) % num_classes
    images = to_float(to_levels(sampler.images(sampler.latents("z", params.num_images), y)))
    figures = measure(images, y, classifier, reference, params.neighbours)
    return {**figures, "gan_test_accuracy": figures["gan_test_accuracy"] if sampler.num_classes else None}


def measure_floor(
    validation: ImageSet, classifier: Classifier, reference: Tensor, params: Params
) -> dict[str, float | str]:
    """The same figures for real digits in the samples' place: as many validation digits, after those of the reference.

    num_images: how many there were; `undefined` says so where they are too few.
    """
    rows = slice(params.num_images, 2 * params.num_images)
    images, labels = validation.images[rows], validation.labels[rows]
    if len(images) <= max(params.neighbours, 1):
        return {"undefined": f"{len(validation)} validation digits leave too few beside the reference"}
    return {**measure(images, labels, classifier, reference, params.neighbours), "num_images": len(images)}


def measure(images: Tensor, y: Tensor, classifier: Classifier, reference: Tensor, k: int) -> dict[str, float]:
    """The three figures of images [M, C, H, W] of classes y int64 [M], M above k, against reference features [N, F]."""
    features = in_blocks(classifier.features, images)  # finite: so are those of the reference, and all images
    recognised = in_blocks(classifier.head, features).argmax(dim=1)
    found = neighbours.neighbourhoods(reference, features, k)
    return {
        "fd_classifier": frechet_distance(reference, features),
        "coverage": neighbours.coverage(found),
        "gan_test_accuracy": gan_test_accuracy(y, recognised),
    }


if __name__ == "__main__":
    run_stage("track", Params, run)
