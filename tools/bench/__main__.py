"""Measure how fast the pipeline is: `make bench`.

Training is measured with the committed params, in interleaved rounds; stages, generate and metrics on the finished run
in data/, once. Writes speed.csv, speed.png and the tables of speed.md into the folder, and prints the tables.
"""

import argparse
import sys
from pathlib import Path

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.files import write_text
from tools.bench.cases import all_cases, figures_of, run_rounds
from tools.bench.figures import Figure, csv_text
from tools.bench.machine import commit, machine
from tools.bench.picture import draw
from tools.bench.pipeline import is_finished, pipeline_figures
from tools.bench.report import BEGIN, END, tables
from tools.bench.task import ROOT
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.marks import require_marks, write_between

TRAINING, PIPELINE = "training", "pipeline"
PAGE = "speed.md"


def measure(options: argparse.Namespace) -> list[Figure]:
    """All figures that these options name."""
    figures: list[Figure] = []
    if options.only != PIPELINE:
        figures += figures_of(run_rounds(all_cases(available_cores(), options.warm_up, options.steps), options.repeats))
    if options.only != TRAINING:
        if is_finished(ROOT):
            figures += pipeline_figures(options.large)
        else:
            print("bench: no finished run in data/, so no figures of stages; `dvc repro` makes one", file=sys.stderr)
    return figures


def write(folder: Path, figures: list[Figure], conditions: str) -> None:
    """Write the table, the picture, and the tables of the page, whose other text stays."""
    write_text(folder / "speed.csv", csv_text(figures))
    draw(figures, folder / "speed.png")
    block = f"{conditions}\n\n{tables(figures)}\n\n![The figures as bars](speed.png)"
    write_between(folder / PAGE, BEGIN, END, block)


def bench(options: argparse.Namespace) -> None:
    """Measure, print and write. Raises UserError if there is nothing to measure, or no place for the tables."""
    if options.repeats < 1 or options.steps < 1:
        raise UserError(f"expected at least 1 repeat and 1 step, found {options.repeats} and {options.steps}")
    require_marks(options.folder / PAGE, BEGIN, END)
    figures = measure(options)
    if not figures:
        raise UserError("nothing was measured")
    conditions = (
        f"Measured on {machine('cpu')}, commit {commit(ROOT)}. Training: medians of {options.repeats} rounds of "
        f"{options.steps} steps, with the range over the rounds in brackets. Stages, samples and metrics: once."
    )
    print(f"{conditions}\n\n{tables(figures)}", flush=True)  # first: the figures are not lost if they cannot be written
    write(options.folder, figures, conditions)


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="rounds (at least 1; use 5 for figures to publish)")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before each measurement")
    parser.add_argument("--steps", type=int, default=30, help="steps measured; the mean time is reported")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="where to write; default: docs")
    parser.add_argument("--only", choices=(TRAINING, PIPELINE), help="half of the measurements")
    parser.add_argument("--large", action="store_true", help="the stage train_gan and a million samples too")
    options = parser.parse_args()
    with interruptible(), errors_in_one_line("bench"):
        bench(options)


if __name__ == "__main__":
    main()
