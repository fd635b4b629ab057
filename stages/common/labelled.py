"""What stages require of real digits that they learn from or measure by, beyond the format of the file."""

from pathlib import Path

from stages.common.class_names import MOST_NAMED
from stages.common.errors import UserError
from stages.common.files import remedy
from stages.common.images import NO_LABEL, ImageSet
from stages.common.shown import listed


def require_labels(path: Path, digits: ImageSet) -> None:
    """Raises UserError if the digits of the file `path` have no labels, as only samples may."""
    if not digits.has_labels:
        raise UserError(f"{path}: expected a label for each image, found {NO_LABEL}, which is none; {remedy(path)}")


def require_every_class(path: Path, digits: ImageSet) -> None:
    """Raises UserError if the digits of the file `path` have no labels, or if a class has no digit to learn from."""
    require_labels(path, digits)
    if missing := missing_classes(digits):
        raise UserError(
            f"{path}: expected images of every class, found none of {listed(missing, MOST_NAMED)}; "
            "raise normalize.limit, or leave the class out of normalize.classes"
        )


def missing_classes(digits: ImageSet) -> list[str]:
    """The names of the classes that no image of labelled digits has."""
    present = set(digits.labels.unique().tolist())
    return [name for label, name in enumerate(digits.classes) if label not in present]
