"""Arithmetic on latents: how much ink, and how much slant, as a direction that also works on another class.

A is the mean latent of those samples of a class that have most of a trait, B of those that have least: single latents
differ in much else (Radford et al. 2015, section 6.3.2). A - B is the trait, which A - B + C adds to any C.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from stages.generation.captions import captioned
from stages.generation.latents import analogy
from stages.generation.subject import Subject

CANDIDATES, EXTREMES = 200, 20
"""Samples of a class, and how many of them at each end are A and B."""
ROWS = 5
"""Of each trait, a class each."""
ABOVE = ("A", "B", "C", "A \N{MINUS SIGN} B + C", "D", "A \N{MINUS SIGN} B + D")


def ink(images: Tensor) -> Tensor:
    """The mean level of images [N, C, H, W], in [0, 1]: float32 [N]."""
    return ((images + 1) / 2).flatten(1).mean(dim=1)


def slant(images: Tensor) -> Tensor:
    """Pixels to the right for each pixel upwards, of the line that fits the ink best by its rows: float32 [N]."""
    levels = ((images + 1) / 2).mean(dim=1)  # [N, H, W]
    weights = levels / levels.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    up = torch.arange(levels.shape[1], 0, -1.0).view(1, -1, 1)
    right = torch.arange(1.0, levels.shape[2] + 1).view(1, 1, -1)
    up, right = (place - (weights * place).sum(dim=(1, 2), keepdim=True) for place in (up, right))
    return (weights * up * right).sum(dim=(1, 2)) / (weights * up.square()).sum(dim=(1, 2)).clamp(min=1e-6)


TRAITS: dict[str, Callable[[Tensor], Tensor]] = {"ink": ink, "slant": slant}


def draw(subject: Subject) -> bytes:
    """A PNG: A, B, C and A - B + C of a class, then D and A - B + D of the next class."""
    labels = subject.labels_of(ROWS + 1)
    pairs = list(pairwise(labels))
    z = subject.latents(range(CANDIDATES))
    seen = {label: subject.images(z, [label] * CANDIDATES) for label in labels[:ROWS]}
    rows = [
        row_of(subject, extremes(z, measure(seen[own])), (own, other), row)
        for measure in TRAITS.values()
        for row, (own, other) in enumerate(pairs)
    ]
    left = [
        " ".join([trait, *subject.names_of([own]), "\N{RIGHTWARDS ARROW}", *subject.names_of([other])])
        for trait in TRAITS
        for own, other in pairs
    ]
    return captioned(torch.cat(rows), len(ABOVE), above=ABOVE, left=left if subject.num_labels else [])


def row_of(subject: Subject, ends: tuple[Tensor, Tensor], labels: tuple[int, int], row: int) -> Tensor:
    """The images [6, C, H, W] of one row. ends: A and B, [z_dim]; labels: of its first four images and its last two."""
    a, b = ends
    c, d = (subject.latents([subject.numbers[n % len(subject.numbers)]])[0] for n in (2 * row, 2 * row + 1))
    z = torch.stack([a, b, c, analogy(a, b, c), d, analogy(a, b, d)])
    return subject.images(z, [labels[0]] * 4 + [labels[1]] * 2)


def extremes(z: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
    """The means [z_dim] of the latents [N, z_dim] whose samples have most and least of what was measured [N]."""
    order = measured.argsort(stable=True)
    return z[order[-EXTREMES:]].mean(dim=0), z[order[:EXTREMES]].mean(dim=0)
