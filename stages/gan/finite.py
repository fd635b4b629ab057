"""Whether every update of a training was of finite numbers: asked at once, or noted on the device and asked later.

Asking waits for the device. On the CPU nothing else goes on meanwhile, so the update that is not finite is refused. A
GPU would be idle: there each step notes the answer, and it is read where a row of the history is, before anything is
written, so that no file and no checkpoint holds what came of it.
"""

import torch
from torch import Tensor

PLAYERS = ("D", "G")


class NotFiniteError(ArithmeticError):
    """A loss, gradient, statistic or weight is not a finite number.

    step: the number of the step (0 is the first), if the error comes later than that.
    """

    def __init__(self, what: str, step: int | None = None) -> None:
        super().__init__(what)
        self.step = step


class UpdateCheck:
    """The answers to one question: are loss, gradient and statistics of this update finite?"""

    def __init__(self) -> None:
        self._intact = self._good = torch.empty(0)
        self._since, self._waits = 0, False

    def wait(self, device: torch.device) -> None:
        """From here on, note the answers on the device, until they are required."""
        self._intact = torch.ones(len(PLAYERS), dtype=torch.bool, device=device)
        self._good = torch.zeros(len(PLAYERS), dtype=torch.int64, device=device)
        self._waits = True

    def note(self, player: str, finite: Tensor) -> None:
        """The answer bool [] for the next update of D or G. Raises NotFiniteError if it is no and nobody waits."""
        if not self._waits:
            if not finite:
                raise NotFiniteError(f"{player}'s loss or gradient")
            return
        number = PLAYERS.index(player)
        self._intact[number].logical_and_(finite)
        self._good[number].add_(self._intact[number])  # stays where it is from the first failure on

    def start_at(self, steps_done: int) -> None:
        """The next update is of that step."""
        self._since = steps_done
        if self._waits:
            self._intact.fill_(True)
            self._good.zero_()

    def require(self, steps_done: int, d_steps: int) -> None:
        """Raises NotFiniteError, with its step, for the first update up to that number of steps that was not finite."""
        if not self._waits or steps_done == self._since:
            return
        good_d, good_g = self._good.tolist()
        steps = steps_done - self._since
        failures = [(good_d // d_steps, "D")] if good_d < steps * d_steps else []
        failures += [(good_g, "G")] if good_g < steps else []
        if failures:
            step, player = min(failures)
            raise NotFiniteError(f"{player}'s loss or gradient", self._since + step)
        self.start_at(steps_done)
