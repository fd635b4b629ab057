"""What truncation gives and takes: precision, recall and coverage of truncated samples, as table and picture."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from stages.classifier.model import Classifier, finite_features
from stages.common.images import to_float, to_levels
from stages.generation.captions import captioned
from stages.generation.subject import Subject
from stages.metrics.frechet import frechet_distance
from stages.metrics.neighbours import Radii, coverage, neighbourhoods, precision, recall

COLUMNS = 10
"""Samples of each setting that the picture shows."""
FIGURES = ["precision", "recall", "coverage", "fd_classifier"]


@dataclass(frozen=True)
class Yardstick:
    """Features [N, F] of real images, and the classifier, of the file `source`, that gives those of others.

    k: which nearest neighbour the balls reach to, less than N.
    """

    classifier: Classifier
    source: Path
    features: Tensor
    k: int
    radii: Radii

    def figures(self, images: Tensor) -> list[float]:
        """FIGURES of samples, [N, C, H, W] in [-1, 1], as many as the real images."""
        features = finite_features(self.classifier, to_float(to_levels(images)), self.source)
        sets = neighbourhoods(self.features, features, self.k, known_radii=self.radii)
        values = [metric(sets).value for metric in (precision, recall, coverage)]
        return [*values, frechet_distance(self.features, features)]


def settings(subject: Subject, cuts: Iterable[float], pulls: Iterable[float]) -> dict[str, dict[float, Subject]]:
    """The subject with each cut, and with each pull, by the names of these ways."""
    return {
        "cut": {cut: replace(subject, cut=cut) for cut in cuts},
        "pull": {pull: replace(subject, pull=pull) for pull in pulls},
    }


def measure(ways: dict[str, dict[float, Subject]], yardstick: Yardstick) -> tuple[dict[str, pd.DataFrame], bytes]:
    """A table for each way, a row a setting; and a PNG of the first samples of each, a row a setting, too."""
    tables, shown, left, count = {}, [], [], len(yardstick.features)
    for way, subjects in ways.items():
        rows = []
        for amount, subject in subjects.items():
            images = subject.images(subject.latents(range(count)), subject.labels_of(count))
            figures = yardstick.figures(images)
            rows.append([amount, *figures])
            shown.append(images[:COLUMNS].clone())  # a view would keep all of them
            left.append(f"{way} {amount:g}: precision {figures[0]:.2f}, recall {figures[1]:.2f}")
        tables[way] = pd.DataFrame(rows, columns=[way, *FIGURES])
    return tables, captioned(torch.cat(shown), min(COLUMNS, count), left=left)
