"""The files that an evaluation writes."""

from pathlib import Path

from stages.common.files import atomic, write_csv, write_json
from stages.common.images import ImageSet
from stages.evaluation import pictures, tables
from stages.evaluation.comparisons import Comparisons
from stages.evaluation.details import Details
from stages.evaluation.drawing import Figure


def write_evaluation(
    folder: Path,
    chosen: list[str],
    names: list[str],
    comparisons: Comparisons,
    images: dict[str, ImageSet],
    details: Details,
) -> None:
    """Write figures, tables and pictures. metrics.json holds the chosen metrics that have a value; names: of classes.

    images: the sets samples, test and train, for the picture of what lies nearest to a training digit.
    """
    samples, floor = comparisons.samples.candidate, comparisons.floor.candidate
    values = {name: details.metrics[name].value for name in chosen}
    write_json(folder / "metrics.json", {name: value for name, value in values.items() if value is not None})
    write_json(folder / "details.json", details.content())
    write_csv(folder / "classes.csv", tables.class_table(names, samples, floor))
    write_csv(folder / "confusion.csv", tables.confusion_rows(names, samples))
    write_png(folder / "confusion.png", pictures.confusion_figure(names, samples, floor))
    sets = {
        "sample": (samples, images["samples"].images),
        "test digit": (comparisons.samples.reference, images["test"].images),
    }
    write_png(folder / "nearest.png", pictures.nearest_figure(names, sets, images["train"].images))


def write_png(path: Path, figure: Figure) -> None:
    """Draw a figure as a PNG of the same bytes for the same content."""
    with atomic(path) as partial:
        # Matplotlib would put its version into the file.
        figure.savefig(partial, format="png", metadata={"Software": None})
