"""Measure the samples against the test digits, and real digits in their place: validation digits give the floor.

Everything is computed on the classifier's features, on the CPU, from the first samples at equal count. The training
digits are there for one question only: whether the samples are copies of them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from matplotlib.figure import Figure
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from stages.classifier.model import Classifier, finite_features, load_classifier
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import atomic, write_json, write_text
from stages.common.images import NO_LABEL, ImageSet, load_alike
from stages.common.params import StageParams, known_name
from stages.common.runtime import run_stage
from stages.evaluation import pictures, protocol, tables, verdict
from stages.evaluation.comparisons import PAPERS, Comparisons, beside_training, compare, measure
from stages.evaluation.inception import WEIGHTS_SHA256, inception_features, load_inception
from stages.evaluation.registry import METRICS, Comparison, Embedded
from stages.metrics.classes import gan_test_accuracy

MIN_IMAGES = 3
"""What the standard error of kd_classifier needs; the other metrics need fewer."""
MOST_SHOWN = 7
"""Figures in metrics.json: with cas, of the stage usefulness, `dvc exp show` has eight."""


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("expected each metric once")
    return names


class Params(StageParams):
    """The section evaluate of params.yaml."""

    metrics: Annotated[
        list[Annotated[str, known_name(lambda: METRICS | PAPERS)]],
        AfterValidator(_unique),
        Field(min_length=1, max_length=MOST_SHOWN, description="figures of metrics.json; details.json holds all"),
    ]
    neighbours: Annotated[
        int, Field(ge=1, description="which nearest neighbour the balls of precision, recall, density, coverage reach")
    ]
    num_images: Annotated[
        int, Field(ge=MIN_IMAGES, description="the most samples to compare: the first ones, and as many real digits")
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
    inception = load_inception() if params.protocol == "inception" else None
    paths = {split: data / "normalize" / f"{split}.safetensors" for split in ("test", "validation", "train")}
    paths["samples"] = data / "generate" / "samples.safetensors"
    classifier_path = data / "train_classifier" / "classifier.safetensors"
    images = dict(zip(paths, load_alike(*paths.values()), strict=True))
    count = count_images(params, images["samples"], images["validation"], images["test"])
    classifier = load_classifier(classifier_path, images["test"], paths["test"])

    counts = {"test": len(images["test"]), "train": len(images["train"]), "validation": count, "samples": count}
    seen = {name: embed(classifier, images[name], counts[name], classifier_path) for name in paths}
    training = seen.pop("train").features
    classes = images["test"].classes

    def compared(embedded: dict[str, Embedded]) -> Comparisons:
        return compare(embedded, len(classes), params.neighbours, params.seed, least_images(params))

    comparisons = compared(beside_training(seen, training))
    samples, floor = comparisons.samples, comparisons.floor
    details = measure(comparisons, classes)
    if inception:
        shown = {name: inception_features(inception, images[name].images[: counts[name]]) for name in seen}
        as_papers = {name: replace(seen[name], features=features) for name, features in shown.items()}
        details["metrics"] |= compared(as_papers).entries(PAPERS)
    details |= {
        "protocol": describe(params, samples, len(training), protocol.features_of(classifier, classifier_path)),
        "in_plain_words": verdict.in_plain_words(details),
    }
    sets = {
        "sample": (samples.candidate, images["samples"].images),
        "test digit": (samples.reference, images["test"].images),
    }
    write(data / "evaluate", params.metrics, classes, samples, floor, details)
    write_png(data / "evaluate" / "nearest.png", pictures.nearest_figure(classes, sets, images["train"].images))
    print(tables.summary(details["metrics"]))
    print(details["in_plain_words"])


def least_images(params: Params) -> int:
    """How many images of each set the metrics need."""
    return max(params.neighbours + 1, MIN_IMAGES)


def count_images(params: Params, samples: ImageSet, validation: ImageSet, test: ImageSet) -> int:
    """How many samples and real digits to compare. Raises UserError if they are too few for the metrics."""
    count = min(params.num_images, len(samples), len(validation))
    needed = least_images(params)
    if min(count, len(test)) < needed:
        raise UserError(
            f"too few images for evaluate.neighbours = {params.neighbours}: expected at least {needed} of each, found "
            f"{len(samples)} samples (generate.num_images), {len(validation)} validation and {len(test)} test digits, "
            f"of which evaluate.num_images = {params.num_images} are compared"
        )
    return count


def embed(classifier: Classifier, digits: ImageSet, count: int, source: Path) -> Embedded:
    """The first `count` digits as the classifier of the file `source` sees them; UserError for features not finite."""
    features = finite_features(classifier, digits.images[:count], source)
    recognised = in_blocks(classifier.head, features).argmax(dim=1)
    labels = digits.labels[:count]
    return Embedded(features, recognised, None if (labels == NO_LABEL).all() else labels)


def describe(params: Params, samples: Comparison, num_training: int, features: dict[str, Any]) -> dict[str, Any]:
    """What the figures depend on, so that they are compared with their like only."""
    count, num_test = len(samples.candidate.features), len(samples.reference.features)
    accuracy = gan_test_accuracy(_labels(samples.reference), samples.reference.recognised)
    found = {
        "num_images": count,
        "reference": {"split": "test", "num_images": num_test},
        "floor": {"split": "validation", "num_images": count},
        "halves": {"split": "test", "num_images": [num_test - num_test // 2, num_test // 2]},
        "training": {"split": "train", "num_images": num_training},
        "features": features | {"test_accuracy": accuracy},
        "neighbours": params.neighbours,
        "seed": params.seed,
        "ratio_interval": protocol.intervals(),
        "versions": protocol.versions(),
    }
    if params.protocol == "inception":
        found |= {"inception_sha256": WEIGHTS_SHA256, "versions": protocol.versions("torch-fidelity")}
    return found


def write(
    folder: Path,
    metrics: list[str],
    names: list[str],
    samples: Comparison,
    floor: Comparison,
    details: dict[str, Any],
) -> None:
    """Write the figures, the tables and the confusions. metrics.json holds the chosen values that are defined."""
    values = {name: details["metrics"][name]["value"] for name in metrics}
    write_json(folder / "metrics.json", {name: value for name, value in values.items() if value is not None})
    write_json(folder / "details.json", details)
    _write_csv(folder / "classes.csv", tables.class_table(names, samples.candidate, floor.candidate))
    _write_csv(folder / "confusion.csv", tables.confusion_rows(names, samples.candidate))
    write_png(folder / "confusion.png", pictures.confusion_figure(names, samples.candidate, floor.candidate))


def write_png(path: Path, figure: Figure) -> None:
    """Draw a figure as a PNG of the same bytes for the same content."""
    with atomic(path) as partial:
        # Matplotlib would put its version into the file.
        figure.savefig(partial, format="png", metadata={"Software": None})


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def _labels(digits: Embedded) -> Tensor:
    """The classes of real digits, which all have one."""
    assert digits.labels is not None
    return digits.labels


if __name__ == "__main__":
    run_stage("evaluate", Params, run)
