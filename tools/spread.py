"""How far metrics scatter over seeds: `make spread` runs everything up to `evaluate` for five seeds.

Writes tools/spread.json, by which verify.py judges a run in another environment. The seed of both trainings is varied,
because another environment changes both; measure again when params, or the code of a stage up to evaluate, change.
"""

import argparse
import sys
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_json
from tools.fresh import clean_clone, find_commit, git, interruptible, run_dvc
from tools.judge import CONFIDENCE, SEEDED, SPREAD, Details, comparable_params, summarise
from tools.proof import DESCRIBED, read_record


def run_seed(clone: Path, seed: int) -> Details:
    """Run the pipeline up to evaluate with that seed. Returns the details of its metrics."""
    changes = [f"--set-param={stage}.seed={seed}" for stage in SEEDED]
    if code := run_dvc(clone, "exp", "run", "--name", f"seed-{seed}", *changes, "evaluate"):
        raise UserError(f"seed {seed}: the run failed (exit code {code}); what it said stands above")
    return read_record(clone).metrics


def spread(root: Path, seeds: int) -> None:
    """Run the committed state with the seeds 1, 2, ... and write tools/spread.json."""
    with clean_clone(root, find_commit(root, "HEAD")) as clone:
        git(clone, "config", "user.name", "-")
        git(clone, "config", "user.email", "-")
        runs = [run_seed(clone, seed) for seed in range(1, seeds + 1)]
        record = read_record(clone)
    environment = {key: value for key, value in (record.environment or {}).items() if key != DESCRIBED}
    content = {
        "confidence": CONFIDENCE,
        "environment": environment,
        "metrics": summarise(runs),
        "params": comparable_params(record.params),
        "seeds": list(range(1, seeds + 1)),
    }
    write_json(root / SPREAD, content)
    print(f"spread: wrote {SPREAD.as_posix()}: commit it")


def main() -> None:
    """Measure the spread of the committed state."""
    parser = argparse.ArgumentParser(prog="python -m tools.spread", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many runs, at least 2")
    seeds = parser.parse_args().seeds
    with interruptible():
        try:
            if seeds < 2:
                raise UserError(f"expected at least 2 seeds, found {seeds}")
            spread(Path(git(Path(), "rev-parse", "--show-toplevel").strip()), seeds)
        except UserError as error:
            sys.exit(f"spread: {error}")


if __name__ == "__main__":
    main()
