"""`dvc exp run --temp` and `--queue` run stages in a copy of the project, which lacks what Git and DVC do not know."""

import os
from pathlib import Path


def project_of(folder: Path) -> Path:
    """The user's project, if `folder` is DVC's temporary copy of it; otherwise the folder itself.

    DVC_ROOT names that project, but it may also be left from a shell of another one.
    """
    project = Path(os.environ.get("DVC_ROOT") or folder)
    return project if folder.resolve().is_relative_to((project / ".dvc" / "tmp").resolve()) else folder
