"""Whether the committed dvc.lock belongs to the committed code and params: `make ci-gate`.

A clone without DVC's cache lacks the results themselves: what `dvc status` says of missing ones does not count, what it
says of code, params, commands and results in Git does. After a run it has to say nothing at all: --strict.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.common.errors import UserError
from stages.common.runtime import report_errors
from tools.process_group import output_of_dvc

KINDS = ("outs", "metrics", "plots")
MISSING = ("deleted", "not in cache")
"""What `dvc status` says of an out, and of a dependency on it, that is not in this clone."""


def cached_outs(root: Path) -> set[str]:
    """The paths in dvc.yaml that Git does not hold: DVC's cache has them, if anything."""
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    entries = [entry for stage in stages for kind in KINDS for entry in stage.get(kind, [])]
    named = [next(iter(entry.items())) if isinstance(entry, dict) else (entry, {}) for entry in entries]
    return {path for path, options in named if (options or {}).get("cache", True)}


def changes(status: dict[str, list[Any]], may_miss: set[str]) -> list[str]:
    """A line for each change that `dvc status --json` reports, those outs apart if they are just missing."""
    lines = []
    for stage, entries in status.items():
        for entry in entries:
            if isinstance(entry, str):  # "changed command", "always changed"
                lines.append(f"{stage}: {entry}")
                continue
            for what in entry.values():
                lines += [
                    f"{stage}: {path}: {_shown(state)}"
                    for path, state in what.items()
                    if not (state in MISSING and path in may_miss)
                ]
    return lines


def _shown(state: Any) -> str:
    """A state, or those of single params, as `train_gan.loss modified`."""
    return ", ".join(f"{key} {value}" for key, value in state.items()) if isinstance(state, dict) else str(state)


def read_status(root: Path) -> dict[str, list[Any]]:
    """What `dvc status --json` prints. Raises UserError with DVC's reason if it fails."""
    done = output_of_dvc(root, "status", "--json")
    if done.returncode:
        raise UserError(f"dvc status: {[*done.stderr.strip().splitlines(), f'exit code {done.returncode}'][0]}")
    return json.loads(done.stdout)


def refuse_changes(root: Path, strict: bool) -> None:
    """Raises UserError if the lock is not in step. strict: everything has to be there, too."""
    found = changes(read_status(root), set() if strict else cached_outs(root))
    if found:
        listed = "".join(f"\n  {line}" for line in found)
        raise UserError(
            f"dvc.lock is not in step in {len(found)} places; run `dvc repro` and commit what it writes:{listed}"
        )


def main() -> None:
    """Print one line if the lock is in step; exit with the list of what is not."""
    parser = argparse.ArgumentParser(prog="python -m tools.ci.gate", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="after a run: `dvc status --json` has to be {}")
    arguments = parser.parse_args()
    with report_errors("ci-gate"):
        refuse_changes(Path(), arguments.strict)
        print("dvc.lock is in step with code, params and the results in Git")


if __name__ == "__main__":
    main()
