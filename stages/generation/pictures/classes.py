"""A row for each latent, a column for each class or code: what the latent decides, whatever the class is."""

from stages.generation.captions import captioned
from stages.generation.subject import Subject


def draw(subject: Subject) -> bytes:
    """A PNG; its rows have the numbers of the samples from which the latents are."""
    columns = subject.columns
    z = subject.latents(subject.numbers).repeat_interleave(len(columns), dim=0)
    images = subject.images(z, columns * len(subject.numbers))
    return captioned(images, len(columns), above=subject.names_of(columns), left=[f"{n}" for n in subject.numbers])
