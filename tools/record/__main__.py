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
from tools.marks import require_marks
from tools.record.recipe import read_recipe
from tools.record.run import measure
from tools.record.table import BEGIN, END, PAGE, enter, new_entry, require_record, runs_table
from tools.repository import find_project, git


def record(root: Path, options: argparse.Namespace) -> str:
    """Train and measure each seed, enter the record if that is asked for, and return the table of the seeds."""
    name, settings = "params.yaml", []
    if options.recipe:
        settings = read_recipe(options.recipe)
        name = options.recipe.as_posix()
    where, what = machine(), commit(root)
    if options.enter is not None:
        require_record(options.seeds, what)
        require_marks(root / "docs" / PAGE, BEGIN, END)
        git(root, "ls-files", "--error-unmatch", "--", name)
    if options.snapshot_kimg:
        settings.append(f"train_gan.snapshot_kimg={options.snapshot_kimg:g}")
    curves = []
    for seed in range(1, options.seeds + 1):
        print(f"seed {seed} of {options.seeds}", file=sys.stderr, flush=True)
        curves.append(measure(root, [*settings, f"train_gan.seed={seed}"], options.processes))
    if options.enter is not None:
        enter(root / "docs", new_entry(curves, name, options.enter, where, what))
    conditions = (
        f"{name}, {where}, processes: {curves[0].processes}, commit {what}; seconds from the start of the process"
    )
    floors = ", ".join(sorted({f"{curve.floor:.3g}" for curve in curves}))
    return f"{conditions}; floor {floors}\n\n{runs_table(curves)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.record", description=__doc__)
    parser.add_argument("recipe", nargs="?", type=Path, help="a file of -S arguments; default: params.yaml as it is")
    parser.add_argument("--seeds", type=int, default=1, help="number of trainings; a record needs 3")
    parser.add_argument("--processes", type=int, help="processes that train; default: as many as the stage starts")
    parser.add_argument("--snapshot-kimg", type=float, help="thousands of images between two points of the curve")
    parser.add_argument("--enter", metavar="WHAT_CHANGED", help="add the record to docs/speed.md")
    options = parser.parse_args()
    try:
        if options.seeds < 1:
            raise UserError(f"expected at least 1 seed, found {options.seeds}")
        print(record(find_project(Path()), options))
    except UserError as error:
        sys.exit(f"record: {error}")


if __name__ == "__main__":
    main()
