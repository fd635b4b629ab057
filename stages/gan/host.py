"""The process and machine around a training: checkpoints, requests to stop, and who must not be outlived."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.gan.checkpoints import Checkpoints, full_disk_tolerated
from stages.gan.launch import ParentWatch, StopRequest

if TYPE_CHECKING:
    from stages.gan.loop import Loop


@dataclass
class Host:
    """What a loop needs beside the training itself.

    checkpoints: in process 0 alone; publish: writes curves and pictures during training, in process 0.
    """

    checkpoints: Checkpoints | None
    checkpoint_steps: int
    watch: ParentWatch
    stop: StopRequest
    publish: Callable[["Loop"], None]

    def end_with_parent(self) -> None:
        """Exit at once, writing nothing, if a process that this one must not outlive is gone."""
        if not self.watch.is_alive():
            os._exit(1)

    def save(self, loop: "Loop") -> bool:
        """Write a checkpoint, and publish. Returns whether the checkpoint was written."""
        loop.trainer.require_finite_updates(loop.steps_done)  # by every process, for all end together
        if self.checkpoints is None:
            return False
        loop.settle_rows()
        saved = self.checkpoints.save(loop.steps_done, *loop.state(), loop.journal)
        with full_disk_tolerated("history and pictures are not up to date"):
            self.publish(loop)
        return saved

    def what_follows(self, saved: bool) -> str:
        """How a run that stops here goes on; saved: whether it has just written a checkpoint."""
        if saved:
            return "`dvc repro` resumes from there"
        if self.checkpoints and self.checkpoints.exist:
            return "`dvc repro` resumes from the last checkpoint"
        return "nothing was kept: `dvc repro` starts the training again"
