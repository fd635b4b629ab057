"""Train in a folder of its own, and note when each snapshot was finished.

The clock starts with the stage's process, so that loading torch and starting the workers count. Nothing is measured
while it runs.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError
from tools.record.worker import VARIABLE

TIMES = "times.txt"


@dataclass(frozen=True)
class Times:
    """Of one training: seconds from the start of the process to each snapshot, by its steps, and to the end."""

    snapshots: dict[int, float]
    end: float


def train(folder: Path, environment: dict[str, str]) -> Times:
    """Run the stage train_gan in that folder, which has no checkpoints yet. Raises UserError if it fails."""
    path = folder / TIMES
    path.touch()
    begun = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "tools.record.worker"],
        cwd=folder,
        env=environment | {VARIABLE: str(path)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    end = time.time() - begun
    if done.returncode:
        raise UserError(f"train_gan failed (exit code {done.returncode}); see its message above")
    return Times(read_times(path.read_text(encoding="ascii"), begun), end)


def read_times(text: str, begun: float) -> dict[int, float]:
    """Seconds since `begun` by the steps of each snapshot, from the lines that the worker wrote."""
    lines = (line.split() for line in text.splitlines())
    return {int(steps): float(at) - begun for steps, at in lines}
