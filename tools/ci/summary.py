"""What a change does to params and metrics, as Markdown for the summary of a job: `make ci-summary BASE=origin/main`.

Committed figures are compared with the base's, because they are of the same params on one machine; the figures of this
job's own run stand below them. Pictures are not in it: the hosts remove them, so jobs keep them as artifacts.
"""

import argparse
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_json
from stages.common.params import read_params_file
from stages.common.runtime import report_errors
from tools.ci.gate import KINDS, read_status
from tools.process_group import output_of_dvc
from tools.repository import git

NOTHING = "Nothing has changed."
NO_FIGURES = "No figures{}: {}"
NOT_SO_FAR = "the run did not get that far."


def markdown(root: Path, base: str) -> str:
    """The whole summary. A base that this clone does not have is said, and not compared with."""
    head = git(root, "rev-parse", "--short", "HEAD").strip()
    parts = [f"# The pipeline at {head}", *_compared(root, base)]
    parts += ["## Figures of this run", *figures(root)]
    return "\n\n".join(parts) + "\n"


def _compared(root: Path, base: str) -> list[str]:
    """Sections of what is committed, beside the base."""
    try:
        git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    except UserError:
        return [f"`{base}` is not in this clone (a shallow one?), so nothing is compared with it."]
    sections = []
    for title, kind in (("Params", "params"), ("Committed metrics", "metrics")):
        sections += [f"## {title} beside {base}", _table(root, kind, "diff", base, "HEAD")]
    return sections


def figures(root: Path) -> list[str]:
    """The figures of the stages that ran to their end: of the others, those of the commit are in every clone."""
    try:
        status = read_status(root)
    except UserError as error:  # a bad params.yaml, or another DVC at work
        return [NO_FIGURES.format("", error)]
    stages = read_params_file(root / "dvc.yaml").get("stages", {})
    metrics = {name: _paths(stage, "metrics") for name, stage in stages.items() if "metrics" in stage}
    left = metrics.keys() & stages_left(status, stages)
    own = [path for stage, paths in metrics.items() if stage not in left for path in paths]
    if not own:
        return [NO_FIGURES.format("", NOT_SO_FAR), *_changed_params(root)]
    parts = [_table(root, "metrics", "show", *own), *_changed_params(root)]
    if "evaluate" not in left:
        parts += _words(root)
    return parts + ([NO_FIGURES.format(f" of {', '.join(sorted(left))}", NOT_SO_FAR)] if left else [])


def stages_left(status: dict[str, Any], stages: dict[str, Any]) -> set[str]:
    """Those of the stages of dvc.yaml that would run now: by their status, or because an earlier one would."""
    left: set[str] = stages.keys() & status.keys()
    before: set[str] = set()
    while left != before:
        before = set(left)
        outs = [path for name in left for kind in KINDS for path in _paths(stages[name], kind)]
        left |= {name for name, stage in stages.items() if _depends(_paths(stage, "deps"), outs)}
    return left


def _paths(stage: dict[str, Any], kind: str) -> list[str]:
    """The paths under one key of a stage in dvc.yaml, without their options."""
    return [path for entry in stage.get(kind, []) for path in ([entry] if isinstance(entry, str) else entry)]


def _depends(deps: list[str], outs: list[str]) -> bool:
    return any(dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for dep in deps for out in outs)


def _changed_params(root: Path) -> list[str]:
    """What this run set otherwise than the commit, as the tiny profile does."""
    table = _table(root, "params", "diff", "HEAD")
    return [] if table == NOTHING else ["Params that this run set:", table]


def _words(root: Path) -> list[str]:
    """The verdict of the run, if it gave one."""
    path = root / "data/evaluate/details.json"
    if not path.is_file():
        return []
    return [f"In the pipeline's own words: *{read_json(path)['in_plain_words']}*."]


def _table(root: Path, *arguments: str) -> str:
    """What a command of DVC prints as Markdown. Raises UserError with DVC's reason if it fails."""
    done = output_of_dvc(root, *arguments, "--md")
    if done.returncode:
        raise UserError(f"dvc {' '.join(arguments)}: {done.stderr.strip()}")
    table = done.stdout.strip()
    return table if len(table.splitlines()) > len(("names", "rule")) else NOTHING


def main() -> None:
    """Print the summary."""
    parser = argparse.ArgumentParser(prog="python -m tools.ci.summary", description=__doc__)
    parser.add_argument("--base", default="HEAD", help="the commit to compare with; default: HEAD")
    arguments = parser.parse_args()
    with report_errors("ci-summary"):
        print(markdown(Path(), arguments.base), end="")


if __name__ == "__main__":
    main()
