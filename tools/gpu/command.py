"""The command `python -m tools.gpu`: what its arguments ask for."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.params import read_params_file
from stages.common.runtime import data_source, make_deterministic, report_errors
from stages.gan import devices
from tools.gpu.needs import require_digits
from tools.gpu.page import write_page
from tools.gpu.phases import PHASES, Bench, run_phases
from tools.profiles import PIPELINE, combined

ROOT = Path(__file__).parents[2]
RESULT = "gpu.json"
MINUTES, STEPS, CHECKPOINT_KIMG = 9.0, 500, 100.0
REHEARSED_STEPS, REHEARSED_CHECKPOINT_KIMG = 20, 0.4


def main(description: str) -> None:
    """Run the phases, or write the page; ends the process with the exit code."""
    with report_errors("gpu"):
        arguments = _arguments(description)
        if arguments.page:
            _write_page(arguments.result)
            return
        make_deterministic()
        sys.exit(_run(arguments))


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
        content = combined(content, {"train_gan": {"device": devices.choose("cuda").kind}})
        steps, checkpoint_kimg = STEPS, CHECKPOINT_KIMG
    require_digits(arguments.data, data_source())
    end = begin + 60 * arguments.minutes
    bench = Bench(content, arguments.data.resolve(), data_source(), steps, checkpoint_kimg, end)
    try:
        phases = run_phases(bench, arguments.phases or list(PHASES))
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)
    write_text(arguments.result, json.dumps({"rehearsal": arguments.rehearse, "phases": phases}, indent=2) + "\n")
    return 0 if all(phase["ok"] for phase in phases.values()) else 1


def _write_page(result: Path) -> None:
    try:
        content = json.loads(result.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{result} is missing; `make gpu` writes it on a machine with a GPU") from None
    if content["rehearsal"]:
        raise UserError(f"{result} is of a rehearsal on the CPU; the page is of a GPU")
    write_page(ROOT, content)


def _arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu", description=description)
    parser.add_argument("phases", nargs="*", help="some of the phases; all without")
    parser.add_argument("--result", type=Path, default=Path(RESULT), help="where the figures go, as JSON")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="with normalize, and train_classifier if any")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which no phase goes on")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, in tiny trainings")
    parser.add_argument("--page", action="store_true", help="write docs/gpu.md from the figures")
    return parser.parse_args()
