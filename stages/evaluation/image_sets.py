"""What an evaluation reads: the samples and the digits that they are compared with."""

from pathlib import Path

from stages.common.images import ImageSet, load_alike
from stages.common.labelled import require_labels

DIGITS = ("test", "validation", "train")


def read_images(data: Path) -> tuple[dict[str, ImageSet], dict[str, Path]]:
    """The sets test, validation, train and samples, and their files.

    Raises UserError if they do not belong together, or if digits have no labels.
    """
    paths = {name: data / "normalize" / f"{name}.safetensors" for name in DIGITS}
    paths["samples"] = data / "generate" / "samples.safetensors"
    images = dict(zip(paths, load_alike(*paths.values()), strict=True))
    for name in DIGITS:
        require_labels(paths[name], images[name])
    return images, paths
