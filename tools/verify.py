"""Prove that a run is reproduced: `make verify`, or `make verify REV=<commit, branch or experiment>`.

Everything is run again from the committed state, in a clean clone without any cache and with the packages that the
commit locks, and every out that dvc.lock records is compared with what came out. Exit code 0: the same bytes, or, in
another environment, metrics within the spread over seeds. Exit code 1: anything else.
"""

import argparse
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.failures import errors_in_one_line
from tools.fresh import clean_clone, find_commit, interruptible, run_dvc, warn_if_not_committed
from tools.judge import judge, read_spread
from tools.locked import locked_python
from tools.proof import Record, Verdict, bytes_verdict, environments_table, outs_table, read_record
from tools.repository import find_project


def verify(root: Path, revision: str, packages: str) -> bool:
    """Run that revision again, print what came of it, and return whether it was reproduced.

    packages: `locked`, those of the commit's requirements.txt, or `current`, those of this environment. Raises
    UserError if the revision cannot be run or compared.
    """
    commit = find_commit(root, revision)
    warn_if_not_committed(root, commit)
    print(f"verify: running {revision} ({commit[:7]}) again in a clean clone", flush=True)
    with clean_clone(root, commit) as clone:
        committed = read_record(clone)
        python = Path(sys.executable) if packages == "current" else locked_python(root, clone)
        if code := run_dvc(clone, "repro", "--force", python=python):
            raise UserError(f"the run in the clone failed (exit code {code}); its own messages are above")
        return conclude(committed, read_record(clone), clone)


def conclude(committed: Record, again: Record, clone: Path) -> bool:
    """Print the tables and the verdict; the clone holds the spread to judge by. Returns whether it passed."""
    print(f"\n{outs_table(committed, again)}\n\n{environments_table(committed, again)}\n")
    verdict = bytes_verdict(committed, again) or metrics_verdict(again, clone)
    print(f"verify: {'passed' if verdict.passed else 'FAILED'}: {verdict.reason}")
    return verdict.passed


def metrics_verdict(again: Record, clone: Path) -> Verdict:
    """Judge the metrics of a run in another environment, and print them."""
    verdict, table = judge(again, read_spread(clone))
    print("another environment: the metrics are judged instead of the bytes\n")
    if table:
        print(f"{table}\n")
    return verdict


def main() -> None:
    """Verify the revision that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    parser.add_argument("revision", nargs="?", default="HEAD", help="a commit, branch or experiment; HEAD if none")
    parser.add_argument(
        "--packages",
        choices=("locked", "current"),
        default="locked",
        help="those of the commit, or those installed here",
    )
    options = parser.parse_args()
    with interruptible(), errors_in_one_line("verify"):
        passed = verify(find_project(Path()), options.revision, options.packages)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
