"""Choices of a training that make no sense together: what `check` refuses although each value is valid by itself."""

import math
from collections.abc import Iterator

from stages.gan import auxiliaries
from stages.gan.losses import LOSSES
from stages.gan.penalties import PENALTIES
from stages.gan.settings import PenaltyTerm, Settings

Contradiction = tuple[str, str]
"""A key of the section, and what is wrong with its value beside the others."""


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """All of them."""
    terms = {name: term for name, term in settings.penalties.items() if term.weight}
    yield from _of_d(settings, listed=" and ".join(terms))
    for name, term in terms.items():
        for key, text in _of_a_penalty(settings, name, term):
            yield f"penalties.{name}.{key}", text
    yield from auxiliaries.load(settings.auxiliary).contradictions(settings)
    if settings.burn_in.kimg > settings.total_kimg:
        most = f"at most the {settings.total_kimg:g} kimg of the training"
        yield "burn_in.kimg", f"expected {most}, found {settings.burn_in.kimg:g}"


def _of_d(settings: Settings, listed: str) -> Iterator[Contradiction]:
    """listed: the names of the penalties that are taken."""
    if settings.clip_weights and listed:
        reason = "weights are clipped in place of a gradient penalty, not beside one"
        yield "clip_weights", f"{reason}; expected 0, or weight 0 for {listed}, found {settings.clip_weights:g}"
    if settings.label_smoothing and LOSSES[settings.loss].smoothing is None:
        labelled = ", ".join(sorted(name for name, loss in LOSSES.items() if loss.smoothing))
        reason = f"the loss {settings.loss} has no labels, unlike {labelled}"
        yield "label_smoothing", f"{reason}; expected 0, found {settings.label_smoothing:g}"
    if settings.packing > 1 and listed:
        reason = "D judges packs, and the penalties are on its slope at a single image"
        yield "packing", f"{reason}; expected 1, or weight 0 for {listed}, found {settings.packing}"
    if (part_size := settings.batch_size // settings.shards) % settings.packing:
        reason = f"the {part_size} images of a part (batch_size / shards) are not whole packs"
        yield "packing", f"{reason}; expected a divisor of {part_size}, found {settings.packing}"


def _of_a_penalty(settings: Settings, name: str, term: PenaltyTerm) -> Iterator[Contradiction]:
    if term.difference and not PENALTIES[name].linear:
        reason = (
            f"finite differences are right in the mean for {', '.join(n for n, p in PENALTIES.items() if p.linear)}"
        )
        yield (
            "difference",
            f"{reason} alone, not for a distance of the norm from 1; expected 0, found {term.difference:g}",
        )
    if term.difference and settings.precision == "bfloat16":
        reason = "bfloat16 rounds away what two logits so near differ by"
        yield "difference", f"{reason}; expected 0, or precision float32, found {term.difference:g}"
    # As a float, which may be infinite: that a training is too long is for others to say.
    steps = max(1.0, settings.total_kimg * 1000 / settings.batch_size)
    if term.interval > steps:
        most = math.floor(steps)
        reason = f"D takes {most} steps, so the penalty would be taken once, with the weight times {term.interval}"
        yield "interval", f"{reason}; expected at most {most}, found {term.interval}"
