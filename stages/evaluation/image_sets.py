"""What an evaluation reads: the samples and the digits that they are compared with."""

from pathlib import Path

from stages.common.files import require_equal
from stages.common.images import ImageSet, load_alike
from stages.common.labelled import require_labels
from stages.common.shards import load_first

DIGITS = ("test", "validation", "train")


def read_images(data: Path, most: int | None = None) -> tuple[dict[str, ImageSet], dict[str, Path]]:
    """The sets test, validation, train and samples, and their files.

    most: samples that are needed; of a large file no more are read. Raises UserError if the sets do not belong
    together, or if digits have no labels.
    """
    paths = {name: data / "normalize" / f"{name}.safetensors" for name in DIGITS}
    paths["samples"] = data / "generate" / "samples.safetensors"
    images = dict(zip(DIGITS, load_alike(*(paths[name] for name in DIGITS)), strict=True))
    images["samples"] = samples = load_first(paths["samples"], most)
    for what in ("image_shape", "classes"):
        actual, expected = getattr(samples, what), getattr(images["test"], what)
        require_equal(paths["samples"], what.replace("_", " "), actual, expected, like=paths["test"])
    for name in DIGITS:
        require_labels(paths[name], images[name])
    return images, paths
