"""What the pictures of a generator show: its samples, by their numbers and classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from stages.common.class_names import class_names
from stages.common.grids import MOST_COLUMNS
from stages.evaluation.shown_names import plain_names
from stages.gan.architectures import CODES
from stages.gan.initial import read_stored
from stages.gan.sampler import Sampler, sampler_from
from stages.generation.latents import pulled, truncated

CANDIDATES, PART = 500, 0.1
"""Samples of a class, and which part of them is nearest to their mean image: those whose latents are typical."""


@dataclass(frozen=True)
class Subject:
    """A generator, and what of it is to be seen.

    classes: the names of all classes; labels: those that are drawn; numbers: of the samples whose latents are looked
    at; cut: where the latents' distribution ends, None if nowhere; pull: how far a latent is turned towards the typical
    one of its class, from 0 to 1; num_codes: how many codes the generator reads in the place of classes, 0 if none.
    """

    sampler: Sampler
    classes: list[str]
    labels: list[int]
    numbers: list[int]
    cut: float | None = None
    pull: float = 0.0
    num_codes: int = 0
    typical: dict[tuple[int, float | None], Tensor] = field(default_factory=dict)
    """The typical latents that are known, by label and cut."""

    @property
    def num_labels(self) -> int:
        """How many labels the generator reads, classes or codes: 0 if none, where all labels give the same image."""
        return self.sampler.num_classes or self.num_codes

    def latents(self, numbers: Sequence[int]) -> Tensor:
        """The latents of the samples with these numbers, truncated: [len(numbers), z_dim]."""
        return truncated(self.sampler.numbered(numbers), self.cut)

    def images(self, z: Tensor, labels: Sequence[int]) -> Tensor:
        """Images [len(z), C, H, W] in [-1, 1] of these latents [N, z_dim], pulled, and labels."""
        if self.pull:
            z = pulled(z, torch.stack([self._typical(label) for label in labels]), self.pull)
        return self.sampler.images(z, torch.tensor(labels))

    @cached_property
    def image_shape(self) -> list[int]:
        """[C, H, W] of each image, as the first sample has it."""
        return list(self.images(self.latents([0]), self.labels[:1]).shape[1:])

    def _typical(self, label: int) -> Tensor:
        """The mean latent [z_dim] of the samples of a label that are nearest to their mean, by pixels."""
        label = label if self.num_labels else 0
        if (label, self.cut) not in self.typical:
            z = self.latents(range(CANDIDATES))
            images = self.sampler.images(z, torch.full((CANDIDATES,), label)).flatten(1)
            nearest = (images - images.mean(dim=0)).norm(dim=1).argsort(stable=True)[: round(PART * CANDIDATES)]
            self.typical[label, self.cut] = z[nearest].mean(dim=0)
        return self.typical[label, self.cut]

    def labels_of(self, count: int) -> list[int]:
        """The labels of the first `count` samples: those that are drawn, round-robin."""
        return round_robin(self.labels, range(count))

    def names_of(self, labels: Sequence[int]) -> list[str]:
        """What the columns of these labels are called: by class or code; nothing if the generator reads no labels."""
        if self.num_codes:
            return [f"code {label}" for label in labels]
        names = plain_names(self.classes) if self.num_labels else [""] * len(self.classes)
        return [names[label] for label in labels]

    @property
    def columns(self) -> list[int]:
        """The labels that a picture has a column for: as many as fit, and one if the generator reads no labels."""
        return list(range(min(MOST_COLUMNS, max(1, self.num_labels))))


Draw = Callable[[Subject], bytes]
"""A picture: a PNG of the subject."""


def read_subject(path: Path, seed: int) -> Subject:
    """A stored generator with all its labels, as it is: neither cut nor pulled.

    Raises UserError, which names the file, if it is missing or holds no generator that this code can rebuild.
    """
    tensors, meta = read_stored(path)
    sampler, classes = sampler_from(tensors, meta, seed, str(path)), class_names(meta["classes"])
    num_codes = meta["arguments"]["num_classes"] if meta.get(CODES) else 0
    return Subject(sampler, classes, list(range(len(classes))), numbers=[], num_codes=num_codes)


def round_robin(labels: Sequence[int], numbers: range) -> list[int]:
    """The labels of the samples with these numbers: those that are drawn, in turn."""
    return [labels[number % len(labels)] for number in numbers]
