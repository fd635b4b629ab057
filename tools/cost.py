"""Time and memory of the stages of a finished run: `make cost STAGES="evaluate usefulness"`.

Each stage runs once more on the files in data/, but writes into a temporary folder, so nothing in the project changes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools.clone import user_environment
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.process_group import end_group, interruptible_children
from tools.profiles import Changes, combined
from tools.tables import markdown

ROOT = Path(__file__).parents[1]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem not in ("__init__", "check"))
"""All but check, which reads files that a temporary folder lacks."""
MIB = 2**20
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""The unit of ru_maxrss."""


@dataclass(frozen=True)
class Cost:
    """Seconds from start to end, CPU seconds of all processes, and peak memory of the largest process in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(stage: str, root: Path, folder: Path, changes: Changes | None = None) -> Cost:
    """Run a stage of the project at root in the folder, with other values of params. Raises UserError if it fails."""
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(combined(read_params_file(root / "params.yaml"), changes or {}), file)
    (folder / "data").mkdir()
    for upstream in (root / "data").iterdir():
        if upstream.name != stage:
            (folder / "data" / upstream.name).symlink_to(upstream)
    environment = user_environment(folder) | {"PYTHONPATH": str(root)}
    begun = time.monotonic()
    command = [sys.executable, "-m", f"stages.{stage}"]
    with interruptible_children():
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        end_group(process)  # or it would go on to write into a folder that is being deleted
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError(f"{stage} failed (exit code {process.returncode}); see its message above")
    return Cost(time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * MAXRSS_BYTES / MIB)


def report(costs: dict[str, Cost]) -> str:
    """A Markdown table with a row for each stage."""
    rows = [[name, f"{c.wall_s:.0f}", f"{c.cpu_s:.0f}", f"{c.peak_mib:.0f}"] for name, c in costs.items()]
    return markdown(["stage", "seconds", "CPU seconds", "peak MiB"], rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.cost", description="Time and memory of stages")
    parser.add_argument("stages", nargs="+", choices=STAGES, metavar="STAGE", help=", ".join(STAGES))
    costs, stages = {}, parser.parse_args().stages
    with interruptible(), errors_in_one_line("cost"):
        for stage in stages:
            with tempfile.TemporaryDirectory() as folder:
                costs[stage] = measure(stage, ROOT, Path(folder))
    print(f"{available_cores()} cores\n\n{report(costs)}")


if __name__ == "__main__":
    main()
