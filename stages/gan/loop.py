"""A training from its first step to its last: history, pictures and checkpoints around the Trainer.

Knows no path: checkpoints and pictures leave as bytes, through functions that the caller gives.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.images import ImageSet, grid_png
from stages.gan.history import History
from stages.gan.trainer import Trainer, under

GRID_ROWS = 10


@dataclass
class Training:
    """The state of a run beside the Trainer's: how many steps are done, their history, the pictures drawn so far.

    meta: what the files of both nets say of them: network, its arguments, and the names of the classes.
    """

    trainer: Trainer
    meta: dict[str, Any]
    history: History
    snapshot_kimg: float
    steps_done: int = 0
    pictures: dict[str, bytes] = field(default_factory=dict)
    snapshots: dict[str, Tensor] = field(default_factory=dict)
    """The averaged generator as it was every snapshot_kimg: <steps done>.<name of the tensor>."""

    @property
    def kimg_done(self) -> float:
        """Thousands of real images shown to D so far."""
        return self.steps_done * self.trainer.settings.batch_size / 1000

    def step(self) -> None:
        """One step of training, and the pictures and snapshots that are due after it. Raises NotFiniteError."""
        order = self.trainer.order
        self.history.add(self.steps_done, self.trainer.step(self.steps_done))
        self.steps_done += 1
        if (epoch := order.epochs_done(self.steps_done)) > order.epochs_done(self.steps_done - 1):
            self._draw(f"epoch_{epoch:04}.png")
        if self.steps_done == self.trainer.settings.total_steps:
            self._draw("final.png")
        if self._snapshots_due(self.steps_done) > self._snapshots_due(self.steps_done - 1):
            tensors = self.trainer.ema.state_dict()
            self.snapshots |= {f"{self.steps_done}.{name}": tensor.cpu().clone() for name, tensor in tensors.items()}

    def draw_real(self, digits: ImageSet) -> None:
        """The first digits of each class in the layout of the samples; blank where a class has too few."""
        grid = digits.images.new_full((GRID_ROWS, len(digits.classes), *digits.images.shape[1:]), -1)
        for y in range(len(digits.classes)):
            images = digits.images[digits.labels == y][:GRID_ROWS]
            grid[: len(images), y] = images
        self.pictures["real.png"] = grid_png(grid.flatten(0, 1), len(digits.classes))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the rest of the run and its outs depend on, as named tensors and a description."""
        pictures = {
            f"picture.{name}": torch.frombuffer(bytearray(png), dtype=torch.uint8)
            for name, png in self.pictures.items()
        }
        snapshots = {f"snapshot.{name}": tensor for name, tensor in self.snapshots.items()}
        tensors = self.trainer.state() | self.history.state() | pictures | snapshots
        return tensors, {"steps_done": self.steps_done}

    def load_state(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.trainer.load_state(tensors)
        self.history.load_state(tensors, self.trainer.images.device)
        self.pictures = {name: bytes(tensor.numpy()) for name, tensor in under(tensors, "picture").items()}
        self.snapshots = under(tensors, "snapshot")
        self.steps_done = meta["steps_done"]

    def _snapshots_due(self, steps: int) -> int:
        return math.floor(steps * self.trainer.settings.batch_size / (1000 * self.snapshot_kimg))

    def _draw(self, name: str) -> None:
        """Samples of the averaged generator for ever the same z, a column a class; by process 0 alone."""
        if self.trainer.team.rank:
            return
        columns, device = len(self.meta["classes"]), self.trainer.images.device
        n, settings = GRID_ROWS * columns, self.trainer.settings
        z = draws.normal_rows(settings.seed, "train_gan.grid", range(n), settings.z_dim).to(device)
        samples = in_blocks(self.trainer.ema, z, (torch.arange(n) % columns).to(device))
        self.pictures[name] = grid_png(samples, columns)
