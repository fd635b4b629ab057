"""A training as a process of a machine that may fail: checkpoints, requests to stop, parents that are gone."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from tqdm import tqdm

from stages.common.files import unpack_tensors
from stages.gan.checkpoints import Checkpoints, full_disk_tolerated
from stages.gan.launch import ParentWatch, StopRequest
from stages.gan.loop import Training


@dataclass
class Runner:
    """Takes a training to its end, in every process of its team; where it was stopped, it goes on.

    checkpoints: in process 0 alone. publish: writes what is to be looked at while training goes on; process 0 calls it.
    """

    training: Training
    checkpoints: Checkpoints | None
    checkpoint_steps: int
    watch: ParentWatch
    stop: StopRequest
    publish: Callable[[], None]

    def resume(self) -> None:
        """Take up the newest checkpoint of this run in every process of the team, if process 0 finds one."""
        trainer = self.training.trainer
        content = trainer.team.broadcast(self.checkpoints.load() if self.checkpoints else b"", trainer.images.device)
        if content:
            self.training.load_state(*unpack_tensors(content))
            if self.checkpoints:
                print(f"going on from the checkpoint at {self.training.kimg_done:g} kimg", flush=True)

    def train(self, name: str, show_progress: bool) -> None:
        """All remaining steps, with a checkpoint every checkpoint_steps.

        Ends the process after a checkpoint if the team agreed to stop, and at once if the parent is gone. Raises
        NotFiniteError. name: of the stage, for what is shown.
        """
        training, team = self.training, self.training.trainer.team
        batch_size, total_steps = training.trainer.settings.batch_size, training.trainer.settings.total_steps
        if self.checkpoints:
            device = training.trainer.images.device.type
            print(
                f"training on {device}: {total_steps} steps of {batch_size} images, {team.size} processes", flush=True
            )
        done, total = training.steps_done * batch_size, total_steps * batch_size
        hidden = not (self.checkpoints and show_progress)
        with tqdm(initial=done, total=total, unit="img", unit_scale=True, desc=name, disable=hidden) as bar:
            while training.steps_done < total_steps:
                self.end_with_parent()
                team.stop = self.stop.signal
                training.step()
                bar.update(batch_size)
                if team.agreed_stop:
                    bar.close()
                    self._stop_here(name)
                if training.steps_done % self.checkpoint_steps == 0:
                    self._save()

    def end_with_parent(self) -> None:
        """End this process without another word or byte if those it works for are gone."""
        if not self.watch.is_alive():
            os._exit(1)

    def _save(self) -> bool:
        """Write a checkpoint, and what is to be looked at. Returns whether the checkpoint was written."""
        if self.checkpoints is None:
            return False
        saved = self.checkpoints.save(self.training.steps_done, *self.training.state())
        with full_disk_tolerated("history and pictures are not up to date"):
            self.publish()
        return saved

    def _stop_here(self, name: str) -> NoReturn:
        """End this process, as the team agreed; process 0 says how to go on."""
        team = self.training.trainer.team
        saved = self._save()
        if self.checkpoints:
            place = "there" if saved else "the last checkpoint"
            print(
                f"{name}: stopped at {self.training.kimg_done:g} kimg; `dvc repro` goes on from {place}",
                file=sys.stderr,
            )
        team.barrier()
        sys.exit(128 + team.agreed_stop)
