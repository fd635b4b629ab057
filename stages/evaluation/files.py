"""The files that an evaluation writes."""

from pathlib import Path

from stages.common.files import csv_text, json_text, write_bytes
from stages.common.images import ImageSet
from stages.evaluation import pictures, tables
from stages.evaluation.comparisons import Comparisons
from stages.evaluation.details import Details
from stages.evaluation.drawing import png_of


def write_evaluation(
    folder: Path,
    shown: dict[str, float],
    names: list[str],
    comparisons: Comparisons,
    images: dict[str, ImageSet],
    details: Details,
) -> None:
    """Write figures, tables and pictures. shown: the content of metrics.json; names: of classes.

    images: the sets samples, test and train, for the picture of what lies nearest to a training digit. Nothing is
    written before all of it is made.
    """
    samples, floor = comparisons.samples.candidate, comparisons.floor.candidate
    sets = {
        "sample": (samples, images["samples"].images),
        "test image": (comparisons.samples.reference, images["test"].images),
    }
    texts = {
        "metrics.json": json_text(shown),
        "details.json": json_text(details.content()),
        "classes.csv": csv_text(tables.class_table(names, samples, floor)),
        "confusion.csv": csv_text(tables.confusion_rows(names, samples)),
    }
    drawn = {
        "confusion.png": png_of(pictures.confusion_figure(names, samples, floor)),
        "nearest.png": png_of(pictures.nearest_figure(names, sets, images["train"].images)),
    }
    for name, content in ({name: text.encode() for name, text in texts.items()} | drawn).items():
        write_bytes(folder / name, content)
