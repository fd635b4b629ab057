"""Runs the training loop: history, pictures, snapshots, checkpoints and requests to stop.

Knows no path under data/: it publishes curves and pictures through a function.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from stages.common.files import pack_tensors, unpack_tensors
from stages.common.images import REMARKS, ImageSet
from stages.common.progress import progress
from stages.gan.graph import StaticStep
from stages.gan.history import History
from stages.gan.host import Host
from stages.gan.journal import Journal
from stages.gan.monitor import Monitor
from stages.gan.pictures import epochs_between, real_grid, sample_grid
from stages.gan.resumable import require_state, require_steps
from stages.gan.signs import GoneWrongError, Look, Watch
from stages.gan.snapshot_file import write_snapshots
from stages.gan.trainer import Trainer

PICTURE, SNAPSHOT, HISTORY, LOOK = "picture.", "snapshot.", "history.", "look."
"""What names of finished records begin with; the name of the file, the number of steps, or that of the rows follows."""
ROWS_AT_ONCE = 1000
"""Rows of the history that wait at most until they are finished records."""
STATE_COPIES, OTHER_STATE_BYTES = 8, 2**26
"""The state of a training is at most that many times its networks', and that much more."""


@dataclass
class Loop:
    """The steps of a Trainer and what is kept of them. All processes of a team run it alike.

    meta: what the files of both networks say of them: network, its arguments, and the names of the classes.
    watch: looks at the training at every snapshot_kimg; journal: what is finished, in process 0 alone: pictures, rows
    of the history, and of every snapshot_kimg the averaged generator and what the look gave.
    stepper: takes the trainer's steps, on a CUDA GPU.
    """

    trainer: Trainer
    meta: dict[str, Any]
    history: History
    watch: Watch
    journal: Journal
    steps_done: int = 0
    rows_settled: int = 0
    stepper: StaticStep | None = None

    @classmethod
    def start(
        cls, trainer: Trainer, meta: dict[str, Any], digits: ImageSet, held_out: ImageSet | None = None
    ) -> "Loop":
        """A loop that has taken no step yet.

        digits: the real images to show beside the samples; held_out: some that the networks are not trained on.
        """
        watch = Watch(Monitor(trainer, digits, held_out))
        loop = cls(trainer, meta, History(trainer.settings), watch, Journal())
        if trainer.team.rank == 0:
            loop.journal.add(f"{PICTURE}real.png", real_grid(digits))
        return loop

    @property
    def kimg_done(self) -> float:
        """Thousands of real images shown to D so far."""
        return self.trainer.settings.kimg_shown(self.steps_done)

    @property
    def is_done(self) -> bool:
        """Whether no step is left."""
        return self.steps_done >= self.trainer.settings.total_steps

    def step(self) -> None:
        """One step of training, and the pictures, snapshots and looks that are due after it.

        Raises NotFiniteError, and GoneWrongError if on_collapse is stop.
        """
        figures = (self.stepper or self.trainer.step)(self.steps_done)
        if self._is_read_at(self.steps_done + 1):
            self.trainer.require_finite_updates(self.steps_done + 1)
        self.history.add(self.steps_done, figures)
        self.steps_done += 1
        if len(self.history.rows) >= ROWS_AT_ONCE:
            self.settle_rows()
        if self.trainer.team.rank == 0:
            self._keep_what_is_due()
        if self._rises(self.trainer.settings.snapshots_due):
            self._look()

    def settle_rows(self) -> None:
        """Make a finished record of the rows of the history that are complete."""
        rows = len(self.history.rows)
        lines = self.history.take_lines()
        self.rows_settled += rows
        if rows and self.trainer.team.rank == 0:
            self.journal.add(f"{HISTORY}{self.rows_settled}", lines.encode())

    def run(self, host: Host, name: str) -> None:
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
        with progress(name, total, "image", done, is_hidden=host.checkpoints is None) as bar:
            while not self.is_done:
                host.end_with_parent()
                team.stop = host.stop.signal
                self.step()
                bar.advance(settings.images_per_step)
                if team.agreed_stop:
                    bar.close()
                    self._stop_here(host, name)
                if self.steps_done % host.checkpoint_steps == 0:
                    host.save(self)
                elif host.checkpoints:
                    host.checkpoints.write_finished(self.journal)
        self.trainer.require_finite()

    def resume(self, host: Host) -> None:
        """Load the newest checkpoint of this run into every process of the team, if process 0 has one."""
        content = host.checkpoints.load(self.journal, self.require_state, self.most_bytes) if host.checkpoints else b""
        content = self.trainer.team.broadcast(content, self.trainer.images.device)
        if content:
            self.load_state(*unpack_tensors(content))
            if host.checkpoints:
                print(f"resuming from the checkpoint at {self.kimg_done:g} kimg", flush=True)

    @property
    def most_bytes(self) -> int:
        """More than the state of this training takes as a file."""
        tensors = self.trainer.state().values()
        return OTHER_STATE_BYTES + STATE_COPIES * sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the rest of the run depends on, as named tensors and a description; the journal has what is finished."""
        return self.trainer.state() | self.history.state() | self.watch.state(), {"steps_done": self.steps_done}

    def require_state(self, tensors: dict[str, Tensor], meta: dict[str, Any], finished: list[str] | None) -> None:
        """Raise ValueError, in one line, if `state` cannot have given this.

        finished: the names of the records beside it, in process 0.
        """
        steps = require_steps(meta, self.trainer.settings.total_steps)
        require_state(self.trainer, tensors, steps)
        if finished is not None:
            rows = [int(name.removeprefix(HISTORY)) for name in finished if re.fullmatch(r"history\.[0-9]+", name)]
            if rows != sorted(set(rows)) or max(rows, default=0) != steps // self.trainer.settings.history_steps:
                raise ValueError("the finished rows of the history are not those of its steps")
            if sorted(name for name in finished if not name.startswith(HISTORY)) != sorted(self.names_due(steps)):
                raise ValueError("the finished pictures and snapshots are not those of its steps")

    def load_state(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Continue from what `state` gave. Raises ValueError, before anything changes, if it is anything else."""
        self.require_state(tensors, meta, None)
        self.trainer.load_state(tensors)
        self.history.load_state(tensors, self.trainer.images.device)
        self.watch.load_state(tensors)
        self.steps_done = meta["steps_done"]
        self.trainer.check.start_at(self.steps_done)
        if self.stepper:
            self.stepper.forget()
        self.rows_settled = self.steps_done // self.trainer.settings.history_steps

    def names_due(self, steps: int) -> list[str]:
        """The names of all pictures and snapshots that are finished after that number of steps."""
        epochs = [self._epochs_done(step) for step in rises(self._pictures_due, steps)]
        pictures = ["real.png", *(f"epoch_{epoch:04}.png" for epoch in epochs)]
        if steps >= self.trainer.settings.total_steps:
            pictures += ["final.png", *self.trainer.auxiliary.picture_names]
        kept_at = list(rises(self.trainer.settings.snapshots_due, steps))
        kinds = (SNAPSHOT, LOOK)
        return [*(f"{PICTURE}{name}" for name in pictures), *(f"{kind}{step}" for step in kept_at for kind in kinds)]

    def remarks(self) -> dict[str, list[str]]:
        """What the description of a generator says of a training that has gone wrong: the signs of the last look."""
        looks = self.journal.names(LOOK)
        lines = Look.of_line(self.journal.read(looks[-1]).decode()).described() if looks else []
        return {REMARKS: lines} if lines else {}

    def write_snapshots(self, path: Path, meta: dict[str, Any]) -> None:
        """Write all snapshots as one file with that description, whole or not at all."""
        kept_at = [int(name.removeprefix(SNAPSHOT)) for name in self.journal.names(SNAPSHOT)]
        like = self.trainer.ema.state_dict()
        write_snapshots(path, kept_at, like, lambda steps: self.journal.read(f"{SNAPSHOT}{steps}"), meta)

    def _keep_what_is_due(self) -> None:
        """Add to the journal what the last step has finished."""
        step = self.steps_done
        if self._rises(self._pictures_due):
            self._draw(f"epoch_{self._epochs_done(step):04}.png")
        if self.is_done:
            self._draw("final.png")
            trainer = self.trainer
            for name, png in trainer.auxiliary.pictures(trainer.ema, trainer.images.device).items():
                self.journal.add(f"{PICTURE}{name}", png)
        if self._rises(self.trainer.settings.snapshots_due):
            self.journal.add(f"{SNAPSHOT}{step}", pack_tensors(self.trainer.ema.state_dict(), {}))

    def _look(self) -> None:
        """Look for signs that something goes wrong, in every process alike; process 0 keeps the figures."""
        look = self.watch.look(self.kimg_done)
        if self.trainer.team.rank == 0:
            self.journal.add(f"{LOOK}{self.steps_done}", look.line().encode())
            for line in look.new_signs:
                print(line, file=sys.stderr, flush=True)
        if look.signs and self.trainer.settings.on_collapse == "stop":
            raise GoneWrongError("; ".join(look.described()))

    def _is_read_at(self, steps: int) -> bool:
        """Whether something of the training is read after that number of steps."""
        settings = self.trainer.settings
        if steps % settings.history_steps == 0 or steps == settings.total_steps:
            return True
        return any(count(steps) > count(steps - 1) for count in (settings.snapshots_due, self._pictures_due))

    def _rises(self, count: Callable[[int], int]) -> bool:
        """Whether the count is larger after this step than it was before."""
        return count(self.steps_done) > count(self.steps_done - 1)

    def _pictures_due(self, steps: int) -> int:
        return self._epochs_done(steps) // epochs_between(self._epochs_done(self.trainer.settings.total_steps))

    def _epochs_done(self, steps: int) -> int:
        return self.trainer.batches.order.epochs_done(steps * self.trainer.settings.d_steps)

    def _draw(self, name: str) -> None:
        """Samples of the averaged generator."""
        settings, device = self.trainer.settings, self.trainer.images.device
        picture = sample_grid(self.trainer.ema, len(self.meta["classes"]), settings.z_dim, settings.seed, device)
        self.journal.add(f"{PICTURE}{name}", picture)

    def _stop_here(self, host: Host, name: str) -> NoReturn:
        """End this process, as the team agreed; process 0 says how to continue."""
        team = self.trainer.team
        saved = host.save(self)
        if host.checkpoints:
            message = f"{name}: stopped at {self.kimg_done:g} kimg; {host.what_follows(saved)}"
            print(message, file=sys.stderr)
        team.barrier()
        sys.exit(128 + team.agreed_stop)


def rises(count: Callable[[int], int], steps: int) -> Iterator[int]:
    """The numbers of steps, up to `steps`, at which a count that never falls is larger than one step before."""
    at = 0
    while count(at) < count(steps):
        at = bisect_right(range(steps + 1), count(at), lo=at, key=count)
        yield at
