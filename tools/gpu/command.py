"""The command `python -m tools.gpu`: what its arguments ask for."""

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.params import read_params_file
from stages.common.runtime import data_source, report_errors
from stages.gan import devices
from tools.fresh import ending_signals
from tools.gpu.needs import require_digits
from tools.gpu.page import write_page
from tools.gpu.phases import PHASES, Bench, Figures, run_phases
from tools.profiles import PIPELINE, combined

ROOT = Path(__file__).parents[2]
RESULT = "gpu.json"
MINUTES, STEPS, CHECKPOINT_KIMG = 9.0, 500, 100.0
REHEARSED_STEPS, REHEARSED_CHECKPOINT_KIMG = 20, 0.4


def main(description: str) -> None:
    """Run the phases, or write the page; ends the process with the exit code."""
    arguments = _arguments(description)
    with report_errors("gpu"):
        if arguments.page:
            write_page(ROOT, arguments.result)
            return
        for number in ending_signals():
            signal.signal(number, _stop)
        try:
            sys.exit(_run(arguments))
        except KeyboardInterrupt as stop:
            print(f"gpu: stopped; {arguments.result} has the phases that had ended", file=sys.stderr)
            sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))


def _stop(number: int, _frame: object) -> None:
    """As Ctrl-C does: what has been started is to be ended."""
    raise KeyboardInterrupt(number)


def _run(arguments: argparse.Namespace) -> int:
    """Run the phases and write their results. Returns the exit code."""
    begin, content = time.monotonic(), read_params_file(ROOT / "params.yaml")
    if unknown := [name for name in arguments.phases if name not in PHASES]:
        raise UserError(f"unknown phase {unknown[0]}: expected some of {', '.join(PHASES)}")
    if arguments.rehearse:
        # Long enough to be stopped on the way.
        content = combined(content, PIPELINE, {"train_gan": {"total_kimg": 6.0, "snapshot_kimg": 3.0}})
        steps, checkpoint_kimg = REHEARSED_STEPS, REHEARSED_CHECKPOINT_KIMG
    else:
        content = combined(content, {"train_gan": {"device": _gpu()}})
        steps, checkpoint_kimg = STEPS, CHECKPOINT_KIMG
    require_digits(arguments.data, data_source())
    end = begin + 60 * arguments.minutes
    bench = Bench(content, arguments.data.resolve(), data_source(), steps, checkpoint_kimg, end)

    def save(phases: dict[str, Figures]) -> None:
        write_text(arguments.result, json.dumps({"rehearsal": arguments.rehearse, "phases": phases}, indent=2) + "\n")

    save({})  # what an earlier call found is no part of this one
    try:
        phases = run_phases(bench, [name for name in PHASES if name in (arguments.phases or PHASES)], save)
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)
    return 0 if all(phase["ok"] for phase in phases.values()) else 1


def _gpu() -> str:
    """The kind of a GPU that works. Raises UserError, with what is wrong with those that there are, if none does."""
    try:
        return devices.choose("cuda").kind
    except UserError as error:
        reason = str(error).removeprefix("train_gan.device: ").partition("; this machine has")[0]
        raise UserError(f"there is no GPU to measure ({reason}); --rehearse runs all phases on the CPU") from None


def _arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu", description=description)
    parser.add_argument("phases", nargs="*", help="some of the phases; all without")
    parser.add_argument("--result", type=Path, default=Path(RESULT), help="where the figures go, as JSON")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="with normalize, and train_classifier if any")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which no phase goes on")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, in tiny trainings")
    parser.add_argument("--page", action="store_true", help="write docs/gpu.md from the figures")
    return parser.parse_args()
