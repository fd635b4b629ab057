"""The first samples: a column for each class that is drawn."""

from stages.common.grids import MOST_COLUMNS
from stages.generation.captions import captioned
from stages.generation.subject import Subject

ROWS = 10


def draw(subject: Subject) -> bytes:
    """A PNG of them, whether as many are drawn or not."""
    labels = subject.labels[:MOST_COLUMNS]
    numbers = [row * len(subject.labels) + column for row in range(ROWS) for column in range(len(labels))]
    images = subject.images(subject.latents(numbers), labels * ROWS)
    return captioned(images, len(labels), above=subject.names_of(labels))
