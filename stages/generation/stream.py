"""The samples as files, computed a chunk at a time by all cores: the same bytes for any number of processes."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import torch

from stages.checking.limits import free_disk, refuse_above
from stages.common import shards
from stages.common.errors import UserError
from stages.common.images import NO_LABEL, to_levels
from stages.common.progress import Progress, progress
from stages.common.workers import in_order, processes_for
from stages.generation.subject import Subject, read_subject, round_robin

MOST_COUNTED = 10**30
"""A larger number of samples needs more than any disk has, and is too long for a float."""


@dataclass(frozen=True)
class Drawing:
    """What a process needs to draw samples: the generator's file, and params as of Subject."""

    generator: Path
    seed: int
    labels: tuple[int, ...]
    cut: float | None
    pull: float

    def subject(self) -> Subject:
        """The generator with its latents. Raises UserError, which names the file, if it holds none."""
        whole = read_subject(self.generator, self.seed)
        return replace(whole, labels=list(self.labels), cut=self.cut, pull=self.pull)

    def prepare(self) -> Callable[[range], bytes]:
        """Makes the grey levels uint8 of the samples with these numbers."""
        subject = self.subject()

        def draw(numbers: range) -> bytes:
            labels = round_robin(self.labels, numbers)
            return to_levels(subject.images(subject.latents(numbers), labels)).numpy().tobytes()

        return draw


def disk_problems(num_images: int, image_shape: list[int], free: int) -> Iterator[str]:
    """A line if files of so many samples do not fit into the free bytes of a disk."""
    needed = shards.file_bytes(min(num_images, MOST_COUNTED), image_shape)
    yield from refuse_above("generate.num_images", num_images, needed, free, "disk")


def require_disk(folder: Path, num_images: int, image_shape: list[int]) -> None:
    """Raise UserError if the disk that holds the folder has no room for so many samples."""
    for line in disk_problems(num_images, image_shape, free_disk(folder)):
        raise UserError(line)


def write_samples(folder: Path, num_images: int, drawing: Drawing, subject: Subject) -> int:
    """Write all samples, and how many there are; returns the number of files.

    subject: of the same drawing. Raises UserError, before anything is written, if the first pixels are not finite.
    """
    index = shards.index_of(num_images)
    chunks = [chunk for numbers in index.files for chunk in shards.chunks_of(numbers)]
    results = in_order(drawing, chunks, processes_for(chunks))
    with closing(results), progress("samples", num_images, "image") as counter:
        images = _counted(results, chunks, counter)
        images = chain([next(images)], images)
        shards.clear(folder)
        shards.path_of(folder, 0).unlink(missing_ok=True)  # or, if this run fails, it would pass for all samples
        for number, numbers in enumerate(index.files):
            labels = round_robin(drawing.labels, numbers) if subject.sampler.num_classes else [NO_LABEL] * len(numbers)
            described = subject.image_shape, subject.classes, subject.sampler.remarks
            own = islice(images, len(shards.chunks_of(numbers)))
            shards.write_file(shards.path_of(folder, number), own, torch.tensor(labels), *described)
            shards.write_index(folder, index)  # from the first file on: whoever reads learns that some are missing
    return len(index.files)


def _counted(images: Iterator[bytes], chunks: list[range], counter: Progress) -> Iterator[bytes]:
    for chunk, numbers in zip(images, chunks, strict=True):
        counter.advance(len(numbers))
        yield chunk
