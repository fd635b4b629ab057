"""From one latent to the next, in one class a pair: along the sphere on which latents lie, and straight through it."""

import torch

from stages.generation.captions import captioned
from stages.generation.latents import spherical, straight
from stages.generation.subject import Subject

STEPS = 10
WAYS = {"sphere": spherical, "line": straight}


def draw(subject: Subject) -> bytes:
    """A PNG with two rows for each pair of numbers, one below the other: the way, and the numbers at its ends."""
    pairs = list(zip(subject.numbers[::2], subject.numbers[1::2], strict=False))
    ends = subject.latents([number for pair in pairs for number in pair]).unflatten(0, (len(pairs), 2, 1))
    t = torch.linspace(0, 1, STEPS).view(1, -1, 1)
    z = torch.stack([way(ends[:, 0], ends[:, 1], t) for way in WAYS.values()], dim=1)  # [pairs, ways, STEPS, z_dim]
    labels = [label for label in subject.labels_of(len(pairs)) for _ in range(len(WAYS) * STEPS)]
    left = [f"{start} to {end}, {way}" for start, end in pairs for way in WAYS]
    return captioned(subject.images(z.flatten(0, 2), labels), STEPS, left=left)
