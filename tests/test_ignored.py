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


def test_git_ignores_the_same_and_nothing_that_it_holds() -> None:
    paths = [*STRAY, "dvc_plots/index.html", ".environments/0123/bin/python", ".checkpoints/x"]
    assert git(ROOT, "check-ignore", "--", *paths).splitlines() == paths
    assert git(ROOT, "ls-files", "--cached", "--ignored", "--exclude-standard") == ""
