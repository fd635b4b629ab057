"""Train in a folder of its own, and note when each snapshot was finished, without touching the training.

The clock starts with the stage's process, so that loading torch and starting the workers count. The times are seen from
outside: the training appends each snapshot to its journal as soon as the step is done, and this program reads the
journal's heads. Nothing is measured while the clock runs.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError
from stages.gan.checkpoints import FINISHED
from stages.gan.journal import HEAD, HEAD_BYTES
from stages.gan.loop import SNAPSHOT

WATCH_S = 0.02
"""Seconds between two looks at the journal."""


@dataclass
class JournalWatch:
    """Reads the heads of the records that a growing journal holds so far."""

    path: Path
    offset: int = 0

    def new_snapshots(self) -> list[int]:
        """The steps of the snapshots that have become complete since the last call."""
        new: list[int] = []
        if not self.path.exists() or self.path.stat().st_size <= self.offset:
            return new
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(self.offset)
            while (match := HEAD.fullmatch(head := file.readline(HEAD_BYTES))) is not None:
                end = self.offset + len(head) + int(match[2])
                if end > size:
                    break
                name = match[1].decode()
                if name.startswith(SNAPSHOT):
                    new.append(int(name.removeprefix(SNAPSHOT)))
                self.offset = end
                file.seek(end)
        return new


@dataclass(frozen=True)
class Times:
    """Of one training: seconds from the start of the process to each snapshot, by its steps, and to the end."""

    snapshots: dict[int, float]
    end: float

    def until(self, steps: int) -> float:
        """Seconds to the snapshot after that many steps; to the end, if it was finished between two looks."""
        return self.snapshots.get(steps, self.end)


def train(folder: Path, environment: dict[str, str]) -> Times:
    """Run the stage train_gan in that folder, which has no checkpoints yet. Raises UserError if it fails."""
    seconds: dict[int, float] = {}
    watch: JournalWatch | None = None
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "stages.train_gan"], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            journal = next(folder.glob(f".checkpoints/*/{FINISHED}"), None) if watch is None else watch.path
            watch = watch or (JournalWatch(journal) if journal else None)
            now = time.monotonic() - begun
            for steps in watch.new_snapshots() if watch else ():
                seconds[steps] = now
            time.sleep(WATCH_S)
    end = time.monotonic() - begun
    if process.returncode:
        raise UserError(f"train_gan failed (exit code {process.returncode}); see its message above")
    return Times(seconds, end)
