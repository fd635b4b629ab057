"""Signs that a training has gone wrong, from what the monitor reads: a bound, words, and what usually helps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from stages.gan.monitor import COLUMNS, Monitor, Reading

LOOKS = 3
"""In so many looks in a row a sign must be seen: in one or two, a good training shows most of them at its beginning."""
GAIN = 0.02
"""By so much more than ever before must samples vary to be on their way."""
STATE = "monitor.seen"


class GoneWrongError(Exception):
    """A training has gone wrong whose params ask to stop then."""


class Variation(NamedTuple):
    """The most that samples have varied at any look so far, as in a Reading; -1 before the first."""

    spread: float = -1.0
    nearest: float = -1.0


def collapsed(now: Reading, most: Variation) -> bool:
    """Whether samples are too much alike, and it is not that a training has only begun.

    Then they are blurs, which differ the more the sharper they get. Digits that are alike are a collapse: from look to
    look, which digits G draws may change, and how much these vary.
    """
    gets_no_better = (now.nearest < 0.85 and not now.nearest > most.nearest + GAIN) or (
        now.spread < 0.3 and not now.spread > most.spread + GAIN
    )
    return gets_no_better or (now.nearest < 0.75 and now.sharpness > 0.65)


@dataclass(frozen=True)
class Sign:
    """What shows that a training has gone wrong.

    seen: whether a reading shows it, after the most that samples have varied; words: for what is seen; help: what
    usually helps.
    """

    seen: Callable[[Reading, Variation], bool]
    words: Callable[[Reading], str]
    help: str


SIGNS = {
    "d_saturated": Sign(
        lambda now, most: now.d_slope < 0.05,
        lambda now: f"D is sure of every image (mean slope of its loss {now.d_slope:.2g})",
        "a penalty on D's gradient, such as r1; a lower lr_d",
    ),
    "g_gradient_gone": Sign(
        lambda now, most: now.g_slope < 1e-4,
        lambda now: f"G learns nothing (mean gradient of its loss at a sample {now.g_slope:.2g})",
        "the loss non_saturating in place of minimax; a penalty on D's gradient",
    ),
    "collapse": Sign(
        collapsed,
        lambda now: (
            f"samples are too much alike (of what real images have: distance to the nearest {now.nearest:.2f}, "
            f"variance {now.spread:.2f}, sharpness {now.sharpness:.2f})"
        ),
        "a penalty on D's gradient, such as r1; lower learning rates",
    ),
    "class_lost": Sign(
        lambda now, most: now.weakest_class < 0.2 and now.spread > 0.5,
        lambda now: f"a class is hardly drawn ({now.weakest_class:.2f} of its share in real images)",
        "a longer training; a penalty on D's gradient; train_gan.conditional: true",
    ),
    "memorising": Sign(
        lambda now, most: now.memorised > 0.5 and now.memorised_z > 4,
        lambda now: f"D knows the training images by heart (r_v {now.memorised:.2f})",
        "more images; a shorter training; a higher weight of the penalty",
    ),
}
"""By name. A class is lost only where samples vary: a training that has only begun makes blurs, all alike. A comparison
with nan is false: what cannot be seen is no sign."""
STATE_LENGTH = len(SIGNS) + len(Variation._fields)


@dataclass(frozen=True)
class Look:
    """A reading, and the names of the signs that it and those before it show; new: those that did not show before."""

    reading: Reading
    signs: list[str]
    new: list[str] = field(default_factory=list)

    def line(self) -> str:
        """A line of the table in monitor.csv."""
        return f"{self.reading.line()},{' '.join(self.signs)}\n"

    @classmethod
    def of_line(cls, line: str) -> "Look":
        """What `line` gave, but for which signs were new."""
        *figures, signs = line.rstrip("\n").split(",")
        return cls(Reading(*map(float, figures)), signs.split())

    def described(self) -> list[str]:
        """For each sign a line: what is seen, and what usually helps."""
        return [self._described(name) for name in self.signs]

    @property
    def new_signs(self) -> list[str]:
        """The lines of the new ones."""
        return [self._described(name) for name in self.new]

    def _described(self, name: str) -> str:
        words = f"{name} at {self.reading.kimg:g} kimg: {SIGNS[name].words(self.reading)}"
        return f"{words}; what usually helps: {SIGNS[name].help}"


def csv_header() -> str:
    """The first line of the table."""
    return ",".join([*COLUMNS, "signs"]) + "\n"


class Watch:
    """Looks at a training, and counts in how many looks in a row each sign was seen."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._most = Variation()
        self._counts = dict.fromkeys(SIGNS, 0)

    def look(self, kimg: float) -> Look:
        """What there is to see after that many thousands of images."""
        return self.take(self.monitor.look(kimg))

    def take(self, reading: Reading) -> Look:
        """The look with this reading."""
        for name, sign in SIGNS.items():
            self._counts[name] = self._counts[name] + 1 if sign.seen(reading, self._most) else 0
        # max keeps its first argument where the second is nan.
        self._most = Variation(max(self._most.spread, reading.spread), max(self._most.nearest, reading.nearest))
        signs, new = (
            [name for name, count in self._counts.items() if enough(count)] for enough in (LOOKS.__le__, LOOKS.__eq__)
        )
        return Look(reading, signs, new)

    def state(self) -> dict[str, Tensor]:
        """What the next look depends on: float64 [STATE_LENGTH]."""
        return {STATE: torch.tensor([*self._counts.values(), *self._most], dtype=torch.float64)}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `state` gave."""
        *counts, spread, nearest = tensors[STATE].tolist()
        self._counts = dict(zip(SIGNS, map(int, counts), strict=True))
        self._most = Variation(spread, nearest)
