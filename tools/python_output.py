"""What commands of Python print, such as DVC's, as text: in UTF-8, whatever PYTHONIOENCODING the user has set."""

import os
import subprocess
import sys
from pathlib import Path

UTF_8 = {"PYTHONIOENCODING": "utf-8:surrogateescape"}
"""Of the environment of a command whose output is read. Paths may be no UTF-8."""


def output_of_dvc(root: Path, *arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a dvc command there to its end, whatever that is."""
    return output_of_python(root, "-m", "dvc", *arguments, stdin=stdin)


def output_of_python(root: Path, *arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run this interpreter there with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=os.environ | UTF_8,
        stdin=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
