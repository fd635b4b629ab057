"""Measure how long training takes to 5, 2 and 1.1 times the floor of track: `make record RECIPE=recipes/fast.txt`.

Trains with the committed params and the recipe's settings in a throw-away folder, once for each seed, on the data and
with the classifier of the finished run in data/. `--enter "what changed"` adds the medians to the records in
docs/speed.md.
"""

import argparse
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.bench.machine import commit, machine
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.marks import require_marks
from tools.record.curve import Curve
from tools.record.recipe import read_recipe
from tools.record.run import device_of, measure, require_recorded_files
from tools.record.table import (
    BEGIN,
    END,
    PAGE,
    RECORDS,
    enter,
    new_entry,
    read_entries,
    require_record,
    runs_table,
    seed_line,
)
from tools.repository import find_project, git


def record(root: Path, options: argparse.Namespace) -> None:
    """Train and measure each seed, print their table, and enter the record if that is asked for."""
    name, settings = "params.yaml", []
    if options.recipe:
        settings = read_recipe(options.recipe)
        name = options.recipe.as_posix()
    if options.snapshot_kimg:
        settings.append(f"train_gan.snapshot_kimg={options.snapshot_kimg:g}")
    where, what = machine(device_of(root, settings)), commit(root)
    require_recorded_files(root, is_record=options.enter is not None)
    if options.enter is not None:
        require_record(options.seeds, what)
        require_marks(root / "docs" / PAGE, BEGIN, END)
        read_entries(root / "docs" / RECORDS)
        git(root, "ls-files", "--error-unmatch", "--", name)
    curves = measured(root, settings, options)
    conditions = (
        f"{name}, {where}, processes: {curves[0].processes}, commit {what}; seconds from the start of the process"
    )
    floors = ", ".join(sorted({f"{curve.floor:.3g}" for curve in curves if curve.points})) or "not known"
    print(f"{conditions}; floor {floors}\n\n{runs_table(curves)}", flush=True)
    if options.enter is not None:
        enter(root / "docs", new_entry(curves, name, options.enter, where, what))


def measured(root: Path, settings: list[str], options: argparse.Namespace) -> list[Curve]:
    """The curve of each seed, of which a line is printed as soon as it has ended."""
    curves = []
    for seed in range(1, options.seeds + 1):
        print(f"seed {seed} of {options.seeds}", file=sys.stderr, flush=True)
        curve = measure(root, [*settings, f"train_gan.seed={seed}"], options.processes)
        if not curve.points:
            wrong = "its training went wrong, see its message above; it counts as one that never gets there"
            print(f"record: seed {seed}: {wrong}", file=sys.stderr, flush=True)
        print(seed_line(seed, curve), flush=True)
        curves.append(curve)
    return curves


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tools.record", description=__doc__)
    parser.add_argument("recipe", nargs="?", type=Path, help="a file of -S arguments; default: params.yaml as it is")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings; a record needs 3")
    parser.add_argument("--processes", type=int, help="processes that train; default: as many as the stage starts")
    parser.add_argument("--snapshot-kimg", type=float, help="thousands of images between two points of the curve")
    parser.add_argument("--enter", metavar="WHAT_CHANGED", help="add the record to docs/speed.md")
    options = parser.parse_args()
    with interruptible(), errors_in_one_line("record"):
        if options.seeds < 1:
            raise UserError(f"expected at least 1 seed, found {options.seeds}")
        record(find_project(Path()), options)


if __name__ == "__main__":
    main()
