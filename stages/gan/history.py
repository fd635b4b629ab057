"""Training curves, one row per history_steps."""

import pandas as pd
import torch
from torch import Tensor

from stages.common.files import csv_text
from stages.gan.settings import Settings
from stages.gan.trainer import FIGURES


class History:
    """Collects the figures of each step; a row is their mean over history_steps, at the kimg of the last of them.

    Figures stay on the device until a row is complete, so that no step waits for another.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rows: list[dict[str, float]] = []
        self._pending: list[Tensor] = []

    def add(self, step: int, figures: Tensor) -> None:
        """Take the figures [len(FIGURES)] of that step (0 is the first)."""
        self._pending.append(figures)
        if (step + 1) % self.settings.history_steps == 0:
            means = torch.stack(self._pending).double().mean(0).tolist()
            self.rows.append({"kimg": self.settings.kimg_shown(step + 1), **dict(zip(FIGURES, means, strict=True))})
            self._pending.clear()

    def state(self) -> dict[str, Tensor]:
        """Complete rows (float64 [rows, 1 + 7]) and the figures that wait for theirs (float32 [waiting, 7])."""
        rows = [list(row.values()) for row in self.rows]
        waiting = torch.stack(self._pending) if self._pending else torch.empty(0, len(FIGURES))
        table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 1 + len(FIGURES))
        return {"history.rows": table, "history.waiting": waiting}

    def load_state(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Continue from what `state` gave, on the device of the figures to come."""
        columns = ("kimg", *FIGURES)
        self.rows = [dict(zip(columns, row, strict=True)) for row in tensors["history.rows"].tolist()]
        self._pending = list(tensors["history.waiting"].to(device))

    def csv(self) -> str:
        """All complete rows as CSV, six digits a figure."""
        table = pd.DataFrame(self.rows, columns=["kimg", *FIGURES])
        return csv_text(table)
