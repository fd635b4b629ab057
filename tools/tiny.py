"""Run the README's tiny profile as an experiment beside the workspace: `make try`.

The command is read from the README, so that it is written once.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.repository import find_project

BEGIN, END = "<!-- tiny -->", "<!-- /tiny -->"


def tiny_command(readme: str) -> list[str]:
    """The words of the `dvc` command between the README's marks. Raises UserError if there is not exactly one."""
    block = readme.partition(BEGIN)[2].partition(END)[0].replace("\\\n", " ")
    commands = [shlex.split(line.removeprefix("$ ")) for line in block.splitlines() if line.startswith("$ dvc ")]
    if len(commands) != 1:
        raise UserError(f"README.md: expected one line `$ dvc ...` between {BEGIN} and {END}, found {len(commands)}")
    return commands[0]


def main() -> None:
    """Run the command with this interpreter's DVC; exit with its code."""
    try:
        root = find_project(Path())
        _dvc, *arguments = tiny_command((root / "README.md").read_text(encoding="utf-8"))
    except UserError as error:
        sys.exit(f"try: {error}")
    sys.exit(subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, check=False).returncode)


if __name__ == "__main__":
    main()
