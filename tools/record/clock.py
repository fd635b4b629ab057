"""Train in a folder of its own, and note when each snapshot was finished.

The clock starts with the stage's process, so that loading torch and starting the workers count. Nothing is measured
while it runs.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError
from tools.record.worker import VARIABLE, WENT_WRONG

TIMES = "times.txt"


@dataclass(frozen=True)
class Times:
    """Of one training: seconds from the start of the process to each snapshot, by its steps, and to the end.

    went_wrong: whether it ended before its time, by numbers that are not finite or as train_gan.on_collapse asks.
    """

    snapshots: dict[int, float]
    end: float
    went_wrong: bool = False


def train(folder: Path, environment: dict[str, str]) -> Times:
    """Run the stage train_gan in that folder, which has no checkpoints yet. Raises UserError if it fails.

    One that goes wrong by itself has not failed: it is an answer.
    """
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
    lines = path.read_text(encoding="ascii").splitlines()
    went_wrong = WENT_WRONG in lines
    if done.returncode and not went_wrong:
        raise UserError(f"train_gan failed (exit code {done.returncode}); see its message above")
    return Times(read_times([line for line in lines if line != WENT_WRONG], begun), end, went_wrong)


def read_times(lines: Sequence[str], begun: float) -> dict[int, float]:
    """Seconds since `begun` by the steps of each snapshot, from the lines that the worker wrote."""
    return {int(steps): float(at) - begun for steps, at in map(str.split, lines)}
