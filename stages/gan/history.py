"""Training curves, one row per history_steps."""

import pandas as pd
import torch
from torch import Tensor

from stages.common.files import csv_text
from stages.gan.settings import Settings
from stages.gan.trainer import FIGURES

COLUMNS = ("kimg", *FIGURES)


class History:
    """Collects the figures of each step; a row is their mean over history_steps, at the kimg of the last of them.

    Figures stay on the device until a row is complete, so that no step waits for another.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rows: list[list[float]] = []
        self._pending: list[Tensor] = []

    def add(self, step: int, figures: Tensor) -> None:
        """Take the figures [len(FIGURES)] of that step (0 is the first)."""
        self._pending.append(figures)
        if (step + 1) % self.settings.history_steps == 0:
            means = torch.stack(self._pending).double().mean(0).tolist()
            self.rows.append([self.settings.kimg_shown(step + 1), *means])
            self._pending.clear()

    def take_lines(self) -> str:
        """The rows that are complete since the last call, as lines of CSV; from here on the caller keeps them."""
        lines = csv_lines(self.rows)
        self.rows = []
        return lines

    def state(self) -> dict[str, Tensor]:
        """The figures that wait for their row to be complete: float32 [waiting, 7]."""
        return {"history.waiting": torch.stack(self._pending) if self._pending else torch.empty(0, len(FIGURES))}

    def load_state(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Continue from what `state` gave, on the device of the figures to come."""
        self.rows = []
        self._pending = list(tensors["history.waiting"].to(device))


def csv_header() -> str:
    """The first line of the table."""
    return ",".join(COLUMNS) + "\n"


def csv_lines(rows: list[list[float]]) -> str:
    """Rows in the order of COLUMNS as lines of CSV, six digits a figure."""
    return csv_text(pd.DataFrame(rows, columns=list(COLUMNS))).removeprefix(csv_header())
