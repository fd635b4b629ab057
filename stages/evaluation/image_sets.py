"""What an evaluation reads: the samples and the digits that they are compared with."""

from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.images import ImageSet, load_alike
from stages.common.labelled import require_labels
from stages.common.shards import load_first
from stages.common.shown import plain

DIGITS = ("test", "validation", "train")


def read_images(data: Path, most: int | None = None) -> tuple[dict[str, ImageSet], dict[str, Path]]:
    """The sets test, validation, train and samples, and their files.

    most: samples that are needed; of a large file no more are read. Raises UserError if the sets do not belong
    together, or if digits have no labels.
    """
    paths = {name: data / "normalize" / f"{name}.safetensors" for name in DIGITS}
    paths["samples"] = data / "generate" / "samples.safetensors"
    images = dict(zip(DIGITS, load_alike(*(paths[name] for name in DIGITS)), strict=True))
    images["samples"] = load_samples(paths["samples"], most, images["test"], paths["test"])
    for name in DIGITS:
        require_labels(paths[name], images[name])
    return images, paths


def load_samples(path: Path, most: int | None, digits: ImageSet, digits_path: Path) -> ImageSet:
    """The samples of a file, or of a large one the first, `most` or more; None: all.

    Raises UserError if they are of other images or classes than the digits of the other file.
    """
    samples = load_first(path, most)
    for what in ("image_shape", "classes"):
        actual, expected = getattr(samples, what), getattr(digits, what)
        if actual != expected:
            found = f"expected {what.replace('_', ' ')} {plain(expected)}, as in {digits_path}, found {plain(actual)}"
            raise UserError(
                f"{path}: {found}; if generate.generator names one of other images, set it to train_gan; "
                f"else {remedy(path)}"
            )
    return samples
