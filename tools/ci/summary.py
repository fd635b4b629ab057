"""What a change does to params and metrics, as Markdown for the summary of a job: `make ci-summary BASE=origin/main`.

Committed figures are compared with the base's, because they are of the same params on one machine; the figures of this
job's own run stand below them. Pictures are not in it: the hosts remove them, so jobs keep them as artifacts.
"""

import argparse
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json
from stages.common.runtime import report_errors
from tools.process_group import output_of_dvc
from tools.repository import git

NOTHING = "Nothing has changed."
DRAWN = "data/generate/samples.safetensors"
"""What a run has drawn: no clone has it, while metrics.json and details.json of the commit are in every one."""
NO_RUN = "No figures: the run did not get that far."


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
    """The figures of the run, or that there are none: those of the commit are not the run's."""
    if not (root / DRAWN).is_file():
        return [NO_RUN, *_changed_params(root)]
    return [_table(root, "metrics", "show"), *_changed_params(root), *_words(root)]


def _changed_params(root: Path) -> list[str]:
    """What this run set otherwise than the commit, as the tiny profile does."""
    table = _table(root, "params", "diff", "HEAD")
    return [] if table == NOTHING else ["Params that this run set:", table]


def _words(root: Path) -> list[str]:
    """The verdict of the run, if there is one."""
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
