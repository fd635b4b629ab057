"""A measurement in processes of its own: what it is, and starting them."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.common.errors import UserError

ROOT = Path(__file__).parents[2]
VARIABLE = "GAN_BENCH_TASK"
"""The environment variable that hands a task to the processes."""
TIMEOUT_S = 600

Results = dict[str, float]
"""Figures of one measurement by name; the unit ends the name."""


@dataclass(frozen=True)
class Task:
    """What to measure, and how.

    kind: an entry of worker.KINDS; processes: how many share the parts of a batch; threads: of each process; warm_up,
    steps: before and during the measurement; changes: other values for keys of params.yaml, by section; started:
    time.time() at the start of the first process; result: the file to write.
    """

    kind: str
    processes: int = 1
    threads: int = 1
    warm_up: int = 5
    steps: int = 30
    changes: dict[str, Any] = field(default_factory=dict)
    started: float = 0.0
    result: str = ""

    @classmethod
    def read(cls) -> "Task":
        """The task of this process."""
        return cls(**json.loads(os.environ[VARIABLE]))


def run_task(name: str, task: Task) -> Results:
    """Start the processes of a task and wait for their figures. Raises UserError, with that name, if they fail."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "figures.json"
        content = asdict(task) | {"started": time.time(), "result": str(result)}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GAN_")}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tools.bench.worker"],
                cwd=ROOT,
                env=environment | {VARIABLE: json.dumps(content)},
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{name}: not finished after {TIMEOUT_S} s; try fewer --steps") from None
        if done.returncode or not result.exists():
            raise UserError(f"{name}: exit code {done.returncode}\n{done.stderr.strip()}")
        figures: Results = json.loads(result.read_text(encoding="ascii"))
        return figures
