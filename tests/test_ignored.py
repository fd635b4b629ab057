"""Files that nobody made on purpose are seen neither by DVC, which would run stages for them, nor by Git."""

import subprocess
import sys
from pathlib import Path

from tools.repository import git

ROOT = Path(__file__).parents[1]
STRAY = [
    ".DS_Store",
    "._x.png",
    "Thumbs.db",
    "desktop.ini",
    ".directory",
    "x~",
    ".x.swp",
    ".#x",
    "#x#",
    ".~lock.x.csv#",
    "x.orig",
    ".nfs0001",
    ".idea/x",
    ".vscode/x",
    ".ipynb_checkpoints/x",
    "__pycache__/x.pyc",
    "x.partial",
]
FOLDERS = ("data/init/none", "data/images/none", "data/train_gan/samples", "stages")


def test_what_file_managers_and_editors_leave_makes_nothing_run_again() -> None:
    paths = [f"{folder}/{name}" for folder in FOLDERS for name in STRAY]
    command = [sys.executable, "-m", "dvc", "check-ignore"]
    done = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == paths
    needed = ["data/init/none/.gitkeep", "data/init/none/generator.safetensors", "data/train_gan/samples/final.png"]
    done = subprocess.run([*command, *needed], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_what_dvc_needs_is_not_ignored_by_a_line_of_the_user(tmp_path: Path) -> None:
    """With *.lock for all repositories, DVC refuses every command: dvc.lock is git-ignored."""
    (tmp_path / "ignore").write_text("*.lock\n*.yaml\ndvc*\n", encoding="utf-8")
    command = ["git", "-c", f"core.excludesFile={tmp_path / 'ignore'}", "check-ignore", "--no-index", "--verbose"]
    paths = ["dvc.lock", "dvc.yaml", "params.yaml", "other.lock"]
    done = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.rpartition("\t")[2] for line in done.stdout.splitlines() if ":!" not in line] == ["other.lock"]


def test_git_ignores_the_same_and_nothing_that_it_holds() -> None:
    paths = [*STRAY, "dvc_plots/index.html", ".environments/0123/bin/python", ".checkpoints/x"]
    assert git(ROOT, "check-ignore", "--", *paths).splitlines() == paths
    assert git(ROOT, "ls-files", "--cached", "--ignored", "--exclude-standard") == ""
