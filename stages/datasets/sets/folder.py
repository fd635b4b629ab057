"""A user's own images, in class folders below data/images/<download.folder>: see data/images/README.md."""

from pathlib import Path

from stages.datasets.formats.class_folders import class_folders, idx_files, num_images
from stages.datasets.registry import Dataset


def dataset(folder: Path) -> Dataset:
    """The dataset of that folder, which has no sources. Raises UserError if there are no class folders."""
    return Dataset(
        sources=(),
        classes=tuple(class_folders(folder)),
        files={},
        format=lambda _: idx_files(folder),
        # Nothing is known of them: of classes that a small CNN cannot tell apart, its features say little.
        least_accuracy=0.8,
        num_images=num_images(folder),
    )
