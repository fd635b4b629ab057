"""Measure how far metrics scatter over seeds: `make spread` runs everything up to `evaluate` with five seeds.

Writes tools/spread.json, by which verify.py judges a run in another environment. The seeds of both trainings vary,
because another environment changes both. Measure again when params change, or the code of a stage up to evaluate.
"""

import argparse
import sys
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_json
from tools.fresh import interruptible
from tools.judge import CONFIDENCE, SEEDED, SPREAD, comparable_params, summarise
from tools.proof import DESCRIBED
from tools.repeat import check_seeds, clone_of_head, run_seed
from tools.repository import find_project


def spread(root: Path, seeds: int) -> None:
    """Run the committed state with the seeds 1, 2, ... and write tools/spread.json."""
    with clone_of_head(root) as clone:
        records = [run_seed(clone, seed, SEEDED, []) for seed in range(1, seeds + 1)]
    record = records[-1]
    environment = {key: value for key, value in (record.environment or {}).items() if key != DESCRIBED}
    content = {
        "confidence": CONFIDENCE,
        "environment": environment,
        "metrics": summarise([run.metrics for run in records]),
        "params": comparable_params(record.params),
        "seeds": list(range(1, seeds + 1)),
    }
    write_json(root / SPREAD, content)
    print(f"spread: wrote {SPREAD.as_posix()}: commit it")


def main() -> None:
    """Measure the spread of the committed state."""
    parser = argparse.ArgumentParser(prog="python -m tools.spread", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="number of runs, at least 2")
    seeds = parser.parse_args().seeds
    with interruptible():
        try:
            check_seeds(seeds)
            spread(find_project(Path()), seeds)
        except UserError as error:
            sys.exit(f"spread: {error}")


if __name__ == "__main__":
    main()
