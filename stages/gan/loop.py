"""Runs the training loop: history, pictures, snapshots, checkpoints and requests to stop.

Knows no path under data/: it publishes curves and pictures through a function.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor
from tqdm import tqdm

from stages.common.files import unpack_tensors
from stages.common.images import ImageSet
from stages.gan.checkpoints import Checkpoints, full_disk_tolerated
from stages.gan.history import History
from stages.gan.launch import ParentWatch, StopRequest
from stages.gan.pictures import real_grid, sample_grid
from stages.gan.trainer import Trainer, under


@dataclass
class Loop:
    """The steps of a Trainer and what is kept of them. All processes of a team run it alike.

    meta: what the files of both networks say of them: network, its arguments, and the names of the classes.
    snapshots: the averaged generator at every snapshot_kimg, as <steps done>.<name of the tensor>.
    """

    trainer: Trainer
    meta: dict[str, Any]
    history: History
    steps_done: int = 0
    pictures: dict[str, bytes] = field(default_factory=dict)
    snapshots: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def start(cls, trainer: Trainer, meta: dict[str, Any], digits: ImageSet) -> "Loop":
        """A loop that has taken no step yet; digits: the real images to show beside the samples."""
        return cls(trainer, meta, History(trainer.settings), pictures={"real.png": real_grid(digits)})

    @property
    def kimg_done(self) -> float:
        """Thousands of real images shown to D so far."""
        return self.trainer.settings.kimg_shown(self.steps_done)

    @property
    def is_done(self) -> bool:
        """Whether no step is left."""
        return self.steps_done >= self.trainer.settings.total_steps

    def step(self) -> None:
        """One step of training, and the pictures and snapshots that are due after it. Raises NotFiniteError."""
        settings, epochs_before = self.trainer.settings, self._epochs_done()
        self.history.add(self.steps_done, self.trainer.step(self.steps_done))
        self.steps_done += 1
        if (epoch := self._epochs_done()) > epochs_before:
            self._draw(f"epoch_{epoch:04}.png")
        if self.is_done:
            self._draw("final.png")
        if settings.snapshots_due(self.steps_done) > settings.snapshots_due(self.steps_done - 1):
            tensors = self.trainer.ema.state_dict()
            self.snapshots |= {f"{self.steps_done}.{name}": tensor.cpu().clone() for name, tensor in tensors.items()}

    def run(self, host: "Host", name: str, show_progress: bool) -> None:
        """All remaining steps, with a checkpoint every host.checkpoint_steps.

        Ends the process after a checkpoint if the team agreed to stop, and at once if the parent is gone. Raises
        NotFiniteError. name: of the stage, for what is shown.
        """
        settings, team = self.trainer.settings, self.trainer.team
        if host.checkpoints:
            device = self.trainer.images.device.type
            steps = f"{settings.total_steps} steps of {settings.images_per_step} images"
            print(f"training on {device}: {steps}, {team.size} processes", flush=True)
        done, total = (settings.images_shown(steps) for steps in (self.steps_done, settings.total_steps))
        hidden = not (host.checkpoints and show_progress)
        with tqdm(initial=done, total=total, unit="img", unit_scale=True, desc=name, disable=hidden) as bar:
            while not self.is_done:
                host.end_with_parent()
                team.stop = host.stop.signal
                self.step()
                bar.update(settings.images_per_step)
                if team.agreed_stop:
                    bar.close()
                    self._stop_here(host, name)
                if self.steps_done % host.checkpoint_steps == 0:
                    host.save(self)
        self.trainer.require_finite()

    def resume(self, host: "Host") -> None:
        """Load the newest checkpoint of this run into every process of the team, if process 0 has one."""
        content = host.checkpoints.load() if host.checkpoints else b""
        content = self.trainer.team.broadcast(content, self.trainer.images.device)
        if content:
            self.load_state(*unpack_tensors(content))
            if host.checkpoints:
                print(f"resuming from the checkpoint at {self.kimg_done:g} kimg", flush=True)

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
        """Continue from what `state` gave."""
        self.trainer.load_state(tensors)
        self.history.load_state(tensors, self.trainer.images.device)
        self.pictures = {name: bytes(tensor.numpy()) for name, tensor in under(tensors, "picture").items()}
        self.snapshots = under(tensors, "snapshot")
        self.steps_done = meta["steps_done"]

    def _epochs_done(self) -> int:
        return self.trainer.order.epochs_done(self.steps_done * self.trainer.settings.d_steps)

    def _draw(self, name: str) -> None:
        """Samples of the averaged generator; by process 0 alone."""
        if self.trainer.team.rank == 0:
            settings, device = self.trainer.settings, self.trainer.images.device
            columns = len(self.meta["classes"])
            self.pictures[name] = sample_grid(self.trainer.ema, columns, settings.z_dim, settings.seed, device)

    def _stop_here(self, host: "Host", name: str) -> NoReturn:
        """End this process, as the team agreed; process 0 says how to continue."""
        team = self.trainer.team
        saved = host.save(self)
        if host.checkpoints:
            place = "there" if saved else "the last checkpoint"
            message = f"{name}: stopped at {self.kimg_done:g} kimg; `dvc repro` resumes from {place}"
            print(message, file=sys.stderr)
        team.barrier()
        sys.exit(128 + team.agreed_stop)


@dataclass
class Host:
    """The process and machine around a loop.

    checkpoints: in process 0 alone; publish: writes curves and pictures during training, in process 0.
    """

    checkpoints: Checkpoints | None
    checkpoint_steps: int
    watch: ParentWatch
    stop: StopRequest
    publish: Callable[[Loop], None]

    def end_with_parent(self) -> None:
        """Exit at once, writing nothing, if a process that this one must not outlive is gone."""
        if not self.watch.is_alive():
            os._exit(1)

    def save(self, loop: Loop) -> bool:
        """Write a checkpoint, and publish. Returns whether the checkpoint was written."""
        if self.checkpoints is None:
            return False
        saved = self.checkpoints.save(loop.steps_done, *loop.state())
        with full_disk_tolerated("history and pictures are not up to date"):
            self.publish(loop)
        return saved
