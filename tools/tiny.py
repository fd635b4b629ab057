"""Run the tiny profile of docs/settings.md as an experiment beside the workspace: `make try`.

The command is read from that page, so that it is written once.
"""

import os
import shlex
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.failures import errors_in_one_line, take_no_arguments
from tools.fresh import interruptible
from tools.process_group import run_in_group
from tools.repository import find_project, require_objects

PAGE = "docs/settings.md"
BEGIN, END = "<!-- tiny -->", "<!-- /tiny -->"
HOW_TO_LOOK = f"""
To look at the digits of this experiment, whose name DVC has just printed:
  {"source .venv/Scripts/activate" if os.name == "nt" else ". .venv/bin/activate"}
  dvc exp apply <name>       # then open data/report/index.html, or data/generate/samples.png
  git checkout -- . && dvc checkout --allow-missing      # back to the commit
If `git status` shows changes now, commit them first: going back discards what is not committed."""


def tiny_command(page: str) -> list[str]:
    """The words of the `dvc` command between the page's marks. Raises UserError if there is not exactly one."""
    block = page.partition(BEGIN)[2].partition(END)[0].replace("\\\n", " ")
    commands = [shlex.split(line.removeprefix("$ ")) for line in block.splitlines() if line.startswith("$ dvc ")]
    if len(commands) != 1:
        raise UserError(f"{PAGE}: expected one line `$ dvc ...` between {BEGIN} and {END}, found {len(commands)}")
    return commands[0]


def main() -> None:
    """Run the command with this interpreter's DVC; exit with its code."""
    take_no_arguments("tools.tiny", __doc__)
    with interruptible(), errors_in_one_line("try"):
        root = find_project(Path())
        require_objects(root, "HEAD")  # DVC copies its whole history
        _dvc, *arguments = tiny_command((root / PAGE).read_text(encoding="utf-8"))
        code = run_in_group([sys.executable, "-m", "dvc", *arguments], root)
    if not code:
        print(HOW_TO_LOOK, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
