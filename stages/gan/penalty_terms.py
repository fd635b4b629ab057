"""Penalties as terms of D's objective: which are taken in a step, on how much of a part, and by what derivative."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import pad

from stages.gan import schedules
from stages.gan.penalties import PENALTIES, Penalty, penalty_points, squared_differences, squared_gradient_norms
from stages.gan.settings import PenaltyTerm, Settings

Judged = dict[str, tuple[Tensor, Tensor]]
"""Logits [B] and images [B, C, H, W] of `real` and of `fake`."""


@dataclass(frozen=True)
class DuePenalty:
    """A penalty that is taken in this step of D, how, and the factor of its schedule: a number, or float64 []."""

    penalty: Penalty
    term: PenaltyTerm
    factor: float | Tensor

    @property
    def of_judged(self) -> bool:
        """Whether it is the gradient at all real or all fake images: that needs no further pass of D."""
        return self.penalty.at in ("real", "fake") and self.term.part == 1 and not self.term.difference

    def value(self, squares: Tensor) -> Tensor:
        """What squared norms [n] of its images add to D's objective, [n]."""
        return self.factor * self.term.weight * self.term.interval * self.penalty.of(squares)

    def squared_norms(self, D: nn.Module, judged: Judged, y: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """Squared gradient norms at the images that it is taken on, [ceil(part * B)], or finite differences for them.

        y: labels int64 [B]; uniform, normal: draws for penalty_points and for the directions of differences.
        """
        if self.of_judged:
            return squared_gradient_norms(*judged[self.penalty.at])
        points = penalty_points(self.penalty, judged["real"][1], judged["fake"][1], uniform)
        n, length = math.ceil(self.term.part * len(points)), self.term.difference
        points = points[:n].detach()
        if length:
            logits = judged[self.penalty.at][0][:n]
            return squared_differences(logits, D(points + length * normal[:n].view_as(points), y[:n]).float(), length)
        points.requires_grad_()
        return squared_gradient_norms(D(points, y[:n]).float(), points)


def penalties_due(settings: Settings, batch: int) -> list[DuePenalty]:
    """The penalties of D's step on that batch (0 is the first).

    By the registry's order: in which order params.yaml names them changes no bit.
    """
    factor = schedules.penalty_factor(settings, batch // settings.d_steps)
    terms = [(PENALTIES[name], settings.penalties[name]) for name in PENALTIES if name in settings.penalties]
    return [DuePenalty(penalty, term, factor) for penalty, term in terms if term.weight and batch % term.interval == 0]


def draws_needed(due: Sequence[DuePenalty]) -> tuple[bool, bool]:
    """Whether these penalties need uniform draws, and whether normal ones."""
    return any(penalty.penalty.at in ("between", "near") for penalty in due), any(d.term.difference for d in due)


def spread(values: Tensor, n: int) -> Tensor:
    """Values [m] as [n], m at most n, of the same mean: scaled up, and zeros for the images that have none."""
    return values if len(values) == n else pad(values * (n / len(values)), (0, n - len(values)))
