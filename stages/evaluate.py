"""Measure the samples against the test digits, and real digits in their place: validation digits give the floor.

Everything is computed on the classifier's features, on the CPU, from the first samples at equal count.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from pydantic import AfterValidator, Field

from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import atomic, read_tensors, write_json, write_text
from stages.common.images import NO_LABEL, ImageSet, load_image_set
from stages.common.params import StageParams, known_name
from stages.common.runtime import run_stage
from stages.metrics import report
from stages.metrics.classifier import Classifier, classifier_from
from stages.metrics.registry import METRICS, Comparison, Embedded

MIN_IMAGES = 3
"""What the standard error of kd_classifier needs; the other metrics need fewer."""


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("expected each metric once")
    return names


class Params(StageParams):
    """The section evaluate of params.yaml."""

    metrics: Annotated[
        list[Annotated[str, known_name(lambda: METRICS)]],
        AfterValidator(_unique),
        Field(min_length=1, description="which metrics to compute, by name"),
    ]
    neighbours: Annotated[
        int, Field(ge=1, description="which nearest neighbour the balls of precision, recall, density, coverage reach")
    ]
    num_images: Annotated[
        int, Field(ge=MIN_IMAGES, description="the most samples to compare: the first ones, and as many real digits")
    ]


def run(params: Params, data: Path) -> None:
    """Read test and validation digits, samples and classifier; write metrics.json, details.json, tables, picture."""
    test_path, validation_path = (data / "normalize" / f"{split}.safetensors" for split in ("test", "validation"))
    samples_path = data / "generate" / "samples.safetensors"
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    test, validation, samples = map(load_image_set, (test_path, validation_path, samples_path))
    for path, images in ((validation_path, validation), (samples_path, samples)):
        _check_same_kind(path, _kind(images), test_path, _kind(test))
    count = count_images(params, samples, validation, test)
    classifier = load_classifier(classifier_path, test_path, test)

    reference = embed(classifier, test, len(test), classifier_path)
    chosen = embed(classifier, samples, count, classifier_path)
    real = embed(classifier, validation, count, classifier_path)
    comparison = Comparison(reference, chosen, len(test.classes), params.neighbours)
    floor = Comparison(reference, real, len(test.classes), params.neighbours)
    entries = {name: report.metric_entry(METRICS[name](comparison), METRICS[name](floor)) for name in params.metrics}

    details = {
        "protocol": protocol(params, comparison, classifier_path),
        "metrics": entries,
        "classes": report.class_details(test.classes, comparison),
    }
    write(data / "evaluate", test.classes, comparison, floor, details)
    print(report.summary(entries))


def count_images(params: Params, samples: ImageSet, validation: ImageSet, test: ImageSet) -> int:
    """How many samples and real digits to compare. Raises UserError if they are too few for the metrics."""
    count = min(params.num_images, len(samples), len(validation))
    needed = max(params.neighbours + 1, MIN_IMAGES)
    if min(count, len(test)) < needed:
        raise UserError(
            f"too few images for evaluate.neighbours = {params.neighbours}: expected at least {needed} of each, found "
            f"{len(samples)} samples (generate.num_images), {len(validation)} validation and {len(test)} test digits, "
            f"of which evaluate.num_images = {params.num_images} are compared"
        )
    return count


def load_classifier(path: Path, test_path: Path, test: ImageSet) -> Classifier:
    """The trained classifier. Raises UserError if it was trained on images or classes other than these."""
    tensors, meta = read_tensors(path)
    classifier = classifier_from(tensors, meta, str(path))
    kind = {"image shape": classifier.arguments["image_shape"], "classes": meta.get("classes")}
    _check_same_kind(path, kind, test_path, _kind(test))
    return classifier


def embed(classifier: Classifier, digits: ImageSet, count: int, source: Path) -> Embedded:
    """The first `count` digits as the classifier of the file `source` sees them; UserError for features not finite."""
    features = in_blocks(classifier.features, digits.images[:count])
    if not features.isfinite().all():
        # Images are checked when they are read, so it is the weights.
        raise UserError(f"{source}: its features are not finite; `dvc repro -f {source.parent.name}` trains it again")
    recognised = in_blocks(classifier.head, features).argmax(dim=1)
    labels = digits.labels[:count]
    return Embedded(features, recognised, None if (labels == NO_LABEL).all() else labels)


def protocol(params: Params, comparison: Comparison, classifier_path: Path) -> dict[str, Any]:
    """What the figures depend on, so that they are compared with their like only."""
    return {
        "num_images": len(comparison.candidate.features),
        "reference": {"split": "test", "num_images": len(comparison.reference.features)},
        "floor": {"split": "validation", "num_images": len(comparison.candidate.features)},
        "features": {
            "classifier_sha256": hashlib.sha256(classifier_path.read_bytes()).hexdigest(),
            "num_features": comparison.reference.features.shape[1],
        },
        "neighbours": params.neighbours,
        # Without torch's local part, +cpu or +cu132: the same results come from either build.
        "versions": {"torch": torch.__version__.split("+")[0], "numpy": np.__version__},
    }


def write(folder: Path, names: list[str], comparison: Comparison, floor: Comparison, details: dict[str, Any]) -> None:
    """Write all outs of the stage. metrics.json holds the values that are defined, and nothing else."""
    values = {name: entry["value"] for name, entry in details["metrics"].items() if entry["value"] is not None}
    write_json(folder / "metrics.json", values)
    write_json(folder / "details.json", details)
    _write_csv(folder / "classes.csv", report.class_table(names, comparison.candidate, floor.candidate))
    _write_csv(folder / "confusion.csv", report.confusion_rows(names, comparison.candidate))
    with atomic(folder / "confusion.png") as partial:
        figure = report.confusion_figure(names, comparison.candidate, floor.candidate)
        # Matplotlib would put its version into the file.
        figure.savefig(partial, format="png", metadata={"Software": None})


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _kind(digits: ImageSet) -> dict[str, Any]:
    return {"image shape": list(digits.images.shape[1:]), "classes": digits.classes}


def _check_same_kind(path: Path, found: dict[str, Any], expected_path: Path, expected: dict[str, Any]) -> None:
    for what, value in expected.items():
        if found[what] != value:
            raise UserError(f"{path}: expected {what} {value}, as in {expected_path}, found {found[what]}")


if __name__ == "__main__":
    run_stage("evaluate", Params, run)
