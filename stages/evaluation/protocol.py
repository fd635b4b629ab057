"""What figures depend on beside the images: only figures of one protocol compare."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from stages.classifier.model import Classifier
from stages.common.files import require
from stages.common.records import Record
from stages.metrics.resampling import LEVEL, RESAMPLES

DECIDING = ("torch", "numpy")
"""Libraries that every figure depends on."""


class Split(Record):
    """Which split of the digits, and how many of its images."""

    split: str
    num_images: int


class Features(Record):
    """The features that distances are measured on: how many, and the SHA-256 of the classifier's file."""

    classifier_sha256: str
    num_features: int


class Intervals(Record):
    """How often an interval of a ratio is to hold it, and the number of resamplings that it is made of."""

    level: float
    resamples: int


def versions(*more: str) -> dict[str, str]:
    """The versions of the libraries that decide figures, and of more, by their names in the package index.

    Without a local part, such as torch's +cpu or +cu132: the same results come from either build.
    """
    return {name: version(name).split("+")[0] for name in (*DECIDING, *more)}


def features_of(classifier: Classifier, path: Path) -> Features:
    """The features of the classifier that was loaded from `path`."""
    digest = hashlib.sha256(require(path).read_bytes()).hexdigest()
    return Features(classifier_sha256=digest, num_features=classifier.num_features)


def intervals() -> Intervals:
    """As this code makes them."""
    return Intervals(level=LEVEL, resamples=RESAMPLES)
