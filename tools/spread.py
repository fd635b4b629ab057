"""Measure how far metrics scatter over seeds: `make spread` runs everything up to `evaluate` with five seeds.

Writes tools/spread.json, by which verify.py judges a run in another environment. The seeds of both trainings vary,
because another environment changes both. Measure again when params change, or the code of a stage up to evaluate.
"""

import argparse
from pathlib import Path

from stages.common.files import write_json
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.intervals import reach
from tools.judge import CONFIDENCE, SEEDED, SPREAD, comparable_params, confidence_of_each, summarise
from tools.proof import DESCRIBED
from tools.repeat import check_seeds, clone_of_head, run_seed
from tools.repository import find_project

LEAST_SEEDS = 3
"""Intervals of two runs judge nothing: for a dozen metrics, they reach 187 standard deviations."""


def spread(root: Path, seeds: int) -> None:
    """Run the committed state with the seeds 1, 2, ... and write tools/spread.json."""
    with clone_of_head(root) as clone:
        records = [run_seed(clone, seed, SEEDED, []) for seed in range(1, seeds + 1)]
    record = records[-1]
    environment = {key: value for key, value in (record.environment or {}).items() if key != DESCRIBED}
    metrics = summarise([run.metrics for run in records])
    content = {
        "confidence": CONFIDENCE,
        "environment": environment,
        "metrics": metrics,
        "params": comparable_params(record.params),
        "seeds": list(range(1, seeds + 1)),
    }
    write_json(root / SPREAD, content)
    print(f"spread: wrote {SPREAD.as_posix()}: commit it")
    if metrics:
        half = reach(seeds, confidence_of_each(len(metrics)))
        print(f"spread: the intervals of {len(metrics)} metrics reach {half:.1f} standard deviations from the mean")


def main() -> None:
    """Measure the spread of the committed state."""
    parser = argparse.ArgumentParser(prog="python -m tools.spread", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help=f"number of runs, at least {LEAST_SEEDS}")
    seeds = parser.parse_args().seeds
    with interruptible(), errors_in_one_line("spread"):
        check_seeds(seeds, LEAST_SEEDS)
        spread(find_project(Path()), seeds)


if __name__ == "__main__":
    main()
