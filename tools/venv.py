"""Make the virtual environment: `python -m tools.venv .venv`, by the Python that it is to have.

Any Python from 3.7 on gets as far as the check of its version. Only the standard library is imported, because nothing
else is installed yet.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LEAST, MOST = (3, 11), (3, 13)
"""As requires-python of pyproject.toml says."""
SHOW = "import sys; print(*sys.version_info[:2])"


def require_supported(program: str) -> None:
    """Exit with one line, which begins with the program's name, if the project does not run with this Python."""
    if not LEAST <= sys.version_info[:2] <= MOST:
        least, most, found = (".".join(map(str, version)) for version in (LEAST, MOST, sys.version_info[:3]))
        sys.exit(
            f"{program}: expected Python {least} to {most}, found {found} ({sys.executable}); name another one, as in "
            "`make PYTHON=python3.12 try`"
        )


def command(folder: Path) -> list[str]:
    """The call of venv for that folder. One of another Python is cleared: venv would leave its links as they are."""
    clear = ["--clear"] if _is_of_another_python(folder / "bin" / "python") else []
    return [sys.executable, "-m", "venv", *clear, str(folder)]


def _is_of_another_python(python: Path) -> bool:
    """Whether there is such a program, or a link to one that is gone, and it has not this Python's minor version."""
    if not os.path.lexists(python):
        return False
    try:
        done = subprocess.run(
            [str(python), "-c", SHOW], capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError:
        return True
    return done.stdout.split() != [str(number) for number in sys.version_info[:2]]


if __name__ == "__main__":
    require_supported("venv")
    sys.exit(subprocess.run(command(Path(sys.argv[1])), check=False).returncode)
