"""The registry of datasets: the listing of the folder sets. Only the chosen module is imported."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.datasets.formats.idx import Format
from stages.datasets.sources.base import File, Source

FOLDER = Path(__file__).parent / "sets"
OWN_IMAGES = "folder"
"""The dataset that is made of a folder: its module has a function `dataset` of that folder in the place of DATASET."""


@dataclass(frozen=True)
class Dataset:
    """Labelled images, as a module in sets/ describes them under the name DATASET.

    sources: tried in this order; classes: the names of labels 0, 1, ...; files: what to fetch, by the names that the
    format knows; format: makes the four IDX files that the pipeline reads from their content; least_accuracy: of the
    test images, the share in [0, 1] that a classifier must recognise to be a judge of samples; num_images: how many
    there are to learn from and for tests, where that is known beforehand.
    """

    sources: tuple[Source, ...]
    classes: tuple[str, ...]
    files: Mapping[str, File]
    format: Format
    least_accuracy: float = 0.97
    num_images: tuple[int, int] | None = None


def names() -> list[str]:
    """The names of all datasets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def load(name: str, folder: Path | None = None) -> Dataset:
    """The dataset of that name; folder: that of OWN_IMAGES.

    Raises ValueError, with the list of names, if there is none, and UserError if the folder is not one of a dataset.
    """
    if name not in names():
        raise ValueError(f"expected a dataset of {', '.join(names())}, found {name!r}")
    module = importlib.import_module(f"stages.datasets.sets.{name}")
    dataset: Dataset = module.dataset(folder) if name == OWN_IMAGES else module.DATASET
    return dataset
