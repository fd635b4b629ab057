"""FID as two papers measure it: how many samples they compare with which digits. Each has its floor.

Beside `fid`, which has the counts and the floor of all other metrics: a Fréchet distance depends on its counts, so that
only figures with a paper's own counts and splits compare with those that it prints.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.common.images import ImageSet
from stages.common.records import Record, Undefined
from stages.evaluation.protocol import Split
from stages.metrics.frechet import frechet_distance_of_moments, moments

SAMPLES = "samples"
KEYS = {SAMPLES: "generate.num_images", "train": "normalize.limit"}
"""What to raise where images are too few, if anything helps."""


@dataclass(frozen=True)
class Paper:
    """The protocol of a paper. reference, floor: how many of the first images of each split, the splits together.

    num_samples: of the first samples, which are compared with the reference; the floor is what real digits score there.
    """

    source: str
    num_samples: int
    reference: dict[str, int]
    floor: dict[str, int]

    @property
    def needs(self) -> dict[str, int]:
        """How many images of each set."""
        return {SAMPLES: self.num_samples} | self.reference | self.floor

    def lacks(self, images: dict[str, ImageSet]) -> str | None:
        """What these sets have too few of; None if they are enough."""
        for name, count in self.needs.items():
            if (present := len(images[name])) < count:
                key = f" ({KEYS[name]})" if name in KEYS else ""
                return f"needs {count:,} images of {name}{key}, found {present:,}"
        return None


PROTOCOLS = {
    "lucic_2018": Paper(
        source="Lucic et al. 2018, Are GANs created equal?",
        num_samples=10_000,
        reference={"test": 10_000},
        floor={"validation": 10_000},
    ),
    "dpimagebench": Paper(
        source="Gong et al. 2025, DPImageBench",
        num_samples=60_000,
        reference={"train": 50_000, "validation": 10_000},
        floor={"test": 10_000},
    ),
}
"""By the names that details.json has for them. Train and validation are together the 60,000 of the training files."""


class PaperEntry(Record):
    """The Fréchet distance on Inception features by the protocol of a paper, for samples and for real digits."""

    source: str
    num_images: int
    reference: list[Split]
    floor_of: list[Split]
    fid: float
    floor: float

    @property
    def words(self) -> str:
        """The figures in a line, without the name."""
        return f"FID {self.fid:.4g}, real images {self.floor:.4g} ({self.source})"


def left_out(images: dict[str, ImageSet]) -> Iterator[str]:
    """A line for each protocol that needs more images than these sets have."""
    for name, paper in PROTOCOLS.items():
        if lacking := paper.lacks(images):
            yield f"{name} {lacking}: left out"


def images_needed(images: dict[str, ImageSet]) -> dict[str, int]:
    """How many of the first images of each set the protocols need that these sets are enough for."""
    counts = dict.fromkeys(images, 0)
    for paper in PROTOCOLS.values():
        if not paper.lacks(images):
            counts |= {name: max(counts[name], count) for name, count in paper.needs.items()}
    return counts


def paper_entries(images: dict[str, ImageSet], features: dict[str, Tensor]) -> dict[str, PaperEntry | Undefined]:
    """The figures of all protocols, or why there is none. features: float32 [N, F] of the images_needed, at least."""
    entries: dict[str, PaperEntry | Undefined] = {}
    for name, paper in PROTOCOLS.items():
        lacking = paper.lacks(images)
        entries[name] = Undefined(undefined=lacking) if lacking else _entry(paper, features)
    return entries


def _entry(paper: Paper, features: dict[str, Tensor]) -> PaperEntry:
    reference = moments(_rows(paper.reference, features))
    samples, real = (moments(_rows(counts, features)) for counts in ({SAMPLES: paper.num_samples}, paper.floor))
    return PaperEntry(
        source=paper.source,
        num_images=paper.num_samples,
        reference=_splits(paper.reference),
        floor_of=_splits(paper.floor),
        fid=frechet_distance_of_moments(*reference, *samples),
        floor=frechet_distance_of_moments(*reference, *real),
    )


def _rows(counts: dict[str, int], features: dict[str, Tensor]) -> Tensor:
    """The features of the first images of each set, one set after the other."""
    return torch.cat([features[name][:count] for name, count in counts.items()])


def _splits(counts: dict[str, int]) -> list[Split]:
    return [Split(split=name, num_images=count) for name, count in counts.items()]
