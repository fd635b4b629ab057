"""What a discriminator says of images: its logits, and the probability that they stand for, if they do."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.images import ImageSet
from stages.common.shown import one_line, plain
from stages.evaluation.drawing import Figure, new_figure
from stages.gan import architectures
from stages.gan.auxiliaries import HEAD
from stages.gan.initial import read_stored, remedy_for
from stages.gan.losses import Loss

SAMPLES = "samples"
"""The name of the set that is drawn filled."""
FILLED: dict[str, Any] = {"histtype": "stepfilled", "alpha": 0.35}
OUTLINED: dict[str, Any] = {"histtype": "step", "linewidth": 1.8}
BINS = 40
TAIL = 0.002
"""Share of all logits at each end that is counted in the last bin, so that a few do not stretch the axis."""
PROBABILITIES = (0.5, 0.1, 0.9, 0.01, 0.99, 0.001, 0.999, 0.25, 0.75, 0.4, 0.6, 0.45, 0.55)
"""Ticks above the histogram, those first that matter most; one that would come too near to another is left out."""
UNKNOWN_LOSS = " (no probability: the loss that trained it is not known)"
TICK_ROOM = 1 / 15
"""Of the axis, between two ticks."""


@dataclass(frozen=True)
class Judge:
    """A stored D. packing: how many images it judges at once, as channels; of_one_class: whether those of a pack are.

    source: its file.
    """

    net: nn.Module
    packing: int
    of_one_class: bool
    source: Path

    def logits(self, images: ImageSet) -> Tensor:
        """D's logits of the images, or of as many packs as they make: float32 [N // packing] at most.

        Raises UserError if one is not finite, or if there is no pack.
        """
        packs, labels = packed(images, self.packing, self.of_one_class)
        if not len(packs):
            few = f"expected packs of {self.packing} images of a class, found too few images for one"
            raise UserError(f"{self.source}: {few}; raise inspect.num_images")
        logits = in_blocks(self.net, packs, labels)
        if not logits.isfinite().all():
            actual = "found logits that are not numbers; train it again"
            raise UserError(f"{self.source}: expected a discriminator of images, {actual}")
        return logits


def read_discriminator(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The D of a file, and its description. Raises UserError if it holds none that this code can rebuild."""
    tensors, meta = read_stored(path)
    # What an auxiliary objective has added to D has no part in its logits.
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{HEAD}.")}
    try:
        return architectures.rebuilt_discriminator(meta.get("network"), meta.get("arguments"), tensors), meta
    except ValueError as error:
        reason = f"no discriminator that this code can rebuild ({one_line(error)})"
        raise UserError(f"{path} holds {reason}; {remedy_for(path)}") from None


def read_judge(path: Path, digits: ImageSet, of_one_class: bool) -> Judge:
    """The D of a file. Raises UserError if it holds none, or one for images or classes other than those digits'.

    of_one_class: whether its training made packs of one class, as it does where G is given a class: D itself may be
    given none, as that of ACGAN.
    """
    net, meta = read_discriminator(path)
    arguments = meta["arguments"]
    channels, *size = arguments["image_shape"]
    packing = max(1, channels // digits.image_shape[0])
    expected = [packing * digits.image_shape[0], *digits.image_shape[1:]]
    require_of_digits(path, "image shape", [channels, *size], expected)
    if arguments["num_classes"]:
        require_of_digits(path, "classes", meta.get("classes"), digits.classes)
        require_of_digits(path, "num_classes", arguments["num_classes"], len(digits.classes))
    return Judge(net.eval(), packing, of_one_class, path)


def require_of_digits(path: Path, what: str, actual: object, expected: object) -> None:
    """Raise UserError if a network, of this run or of an earlier one, has another `what` than the digits."""
    if actual != expected:
        found = f"expected {what} {plain(expected)}, found {plain(actual)}"
        raise UserError(f"{path}: {found}, unlike the images; {remedy_for(path)}")


def packed(images: ImageSet, packing: int, of_one_class: bool) -> tuple[Tensor, Tensor]:
    """Packs [P, packing * C, H, W] of neighbours, and their labels int64 [P]; what makes no whole pack is left out.

    of_one_class: whether all images of a pack are of one class. Without labels, those of the packs are 0.
    """
    labels = images.labels.clamp(min=0)
    if packing == 1:
        return images.images, labels
    kinds = labels if of_one_class else torch.zeros_like(labels)
    groups = [torch.nonzero(kinds == kind).squeeze(1) for kind in kinds.unique()]
    rows = torch.cat([group[: len(group) // packing * packing] for group in groups])
    packs = images.images[rows].reshape(-1, packing * images.image_shape[0], *images.image_shape[1:])
    return packs, labels[rows[::packing]]


def has_probability(loss: Loss) -> bool:
    """Whether D's logits are log-odds of being real: its loss is the cross-entropy of Goodfellow et al. 2014."""
    real, fake = torch.linspace(-4, 4, 9), torch.linspace(3, -5, 9)
    return bool(torch.allclose(loss.discriminator(real, fake), softplus(-real) + softplus(fake)))


def histogram(logits: dict[str, Tensor], as_odds: bool | None) -> Figure:
    """The distributions of D's logits [N] on sets, by the sets' names.

    as_odds: whether they are log-odds, so that probabilities can stand above them; None if that is not known, because
    the loss that trained D is not: the axis says so.
    """
    figure = new_figure(9, 4.5)
    axes = figure.subplots()
    edges = bins(torch.cat(list(logits.values())))
    for name, values in logits.items():
        inside = values.double().clamp(edges[0], edges[-1])
        percent = torch.full_like(inside, 100 / len(inside))
        style = FILLED if name == SAMPLES else OUTLINED
        label = f"{name}, {mean_of(values, bool(as_odds))}"
        axes.hist(inside.numpy(), edges, weights=percent.numpy(), label=label, **style)
    remark = UNKNOWN_LOSS if as_odds is None else ""
    axes.set(xlabel=f"D's logit: the higher, the more real{remark}", ylabel="percent of the images")
    axes.legend()
    if as_odds:
        ticks = probability_ticks(edges[0], edges[-1])
        top = axes.secondary_xaxis("top")
        top.set_ticks(list(ticks), list(ticks.values()))
        top.set_xlabel("probability of being real, as D sees it")
    return figure


def probability_ticks(low: float, high: float) -> dict[float, str]:
    """The logits from low to high at which a probability is named, with its name."""
    ticks: dict[float, str] = {}
    for probability in PROBABILITIES:
        logit = math.log(probability / (1 - probability))
        if low <= logit <= high and all(abs(logit - other) >= TICK_ROOM * (high - low) for other in ticks):
            ticks[logit] = f"{probability:g}"
    return ticks


def bins(logits: Tensor) -> list[float]:
    """The edges of BINS equal bins that hold all logits [N] but the TAIL at each end."""
    low, high = logits.double().quantile(torch.tensor([TAIL, 1 - TAIL]).double()).tolist()
    margin = 0.5 if low == high else 0.0
    edges: list[float] = torch.linspace(low - margin, high + margin, BINS + 1, dtype=torch.float64).tolist()
    return edges


def mean_of(logits: Tensor, as_odds: bool) -> str:
    """The mean of logits [N], or of the probabilities that they stand for, in words."""
    if as_odds:
        return f"mean probability {logits.double().sigmoid().mean():.2f}"
    return f"mean {logits.double().mean():.2f}"
