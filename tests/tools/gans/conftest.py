"""A repository with as much as a series of recipes reads itself."""

from pathlib import Path

import pytest

from tools.repository import git


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Code, params and the recipe `hinge`, committed."""
    root = tmp_path / "project"
    for name in ("stages", "recipes", "docs"):
        (root / name).mkdir(parents=True)
    (root / "stages" / "code.py").write_text("1\n")
    (root / "params.yaml").write_text("a: 1\n")
    (root / "recipes" / "hinge.txt").write_text("-S train_gan.loss=hinge\n")
    for command in (["init", "-q"], ["config", "user.name", "-"], ["config", "user.email", "-"]):
        git(root, *command, throw_away=True)
    git(root, "add", "-A", throw_away=True)
    git(root, "commit", "-qm", "-", throw_away=True)
    return root
