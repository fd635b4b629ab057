"""What figures depend on beside the images: only figures of one protocol compare."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stages.classifier.model import Classifier
from stages.common.files import require
from stages.metrics.resampling import LEVEL, RESAMPLES

DECIDING = ("torch", "numpy")
"""Libraries that every figure depends on."""


def versions(*more: str) -> dict[str, str]:
    """The versions of the libraries that decide figures, and of more, by their names in the package index.

    Without a local part, such as torch's +cpu or +cu132: the same results come from either build.
    """
    return {name: version(name).split("+")[0] for name in (*DECIDING, *more)}


def features_of(classifier: Classifier, path: Path) -> dict[str, Any]:
    """The features that distances are measured on: how many, and the SHA-256 of the classifier's file."""
    digest = hashlib.sha256(require(path).read_bytes()).hexdigest()
    return {"classifier_sha256": digest, "num_features": classifier.head.in_features}


def intervals() -> dict[str, Any]:
    """How the intervals of ratios are made."""
    return {"level": LEVEL, "resamples": RESAMPLES}
