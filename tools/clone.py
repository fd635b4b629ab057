"""A clone of this project with a tiny profile and the tests' digits, in which programs and tests run DVC for real."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tools.fresh import OF_PYTHON, SHELL
from tools.process_group import UTF_8
from tools.repository import clone_repository, git, throw_away_environment

ROOT = Path(__file__).parents[1]
DIGITS = Path("tests") / "digits"
Changes = dict[str, dict[str, Any]]
"""Other values for keys of params.yaml, by section."""

TINY_DATASET = '''"""The digits of the tests."""

from stages.datasets.formats import idx
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import File

FILES = {{
{files}}}
DATASET = Dataset(sources=(), classes=tuple("0123456789"), files=FILES, format=idx.unchanged)
'''


@dataclass(frozen=True)
class Clone:
    """A clone, and the environment to run commands in there, as a user would with the virtual environment active."""

    root: Path
    environment: dict[str, str]

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment | variables,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def run_checked(self, *command: str, **variables: str) -> str:
        """Run a command to its end and return what it prints; the program exits if the command fails."""
        done = self.run(*command, **variables)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def dvc(self, *arguments: str, **variables: str) -> str:
        """Run a dvc command and return what it prints; the program exits if it fails."""
        return self.run_checked(sys.executable, "-m", "dvc", *arguments, **variables)

    def set_params(self, changes: Changes) -> None:
        """Write other values into params.yaml."""
        yaml, path = YAML(), self.root / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        for section, values in changes.items():
            content[section].update(values)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)


def tiny_clone(folder: Path, changes: Changes) -> Clone:
    """A clone in the folder: the committed state and what is not committed yet, results of running stages apart.

    It has a dataset `tiny`, of the tests' digits, and those changes of params.yaml, all committed there.
    """
    root = clone_repository(ROOT, folder / "clone")
    git(folder / "clone", "checkout", "--quiet", throw_away=True)
    _copy_changes(root)
    _add_tiny_dataset(root)
    made = Clone(root, user_environment(folder) | {"GAN_DATA_SOURCE": str(root / DIGITS)})
    made.set_params({"download": {"dataset": "tiny"}} | changes)
    made.run_checked("git", "add", "--all")
    made.run_checked("git", "commit", "--quiet", "--message", "Tiny profile")
    return made


def user_environment(folder: Path) -> dict[str, str]:
    """The environment of a user with this virtual environment active and no settings; DVC's own files in the folder."""
    own = ("DVC_", "GAN_", *OF_PYTHON)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    dvc = {"DVC_SITE_CACHE_DIR": str(folder / "site"), "DVC_GLOBAL_CONFIG_DIR": str(folder / "global")}
    return throw_away_environment(kept) | dvc | SHELL | UTF_8 | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def _copy_changes(root: Path) -> None:
    results = ("data", "dvc.lock")
    deleted, changed = _listed("--deleted"), _listed("--modified", "--others", "--exclude-standard")
    for path in [*deleted, *changed]:
        if path.parts[0] in results:
            continue
        if (ROOT / path).is_file():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, root / path)
        else:
            (root / path).unlink(missing_ok=True)
    (root / "dvc.lock").unlink(missing_ok=True)


def _listed(*options: str) -> list[Path]:
    return [Path(name) for name in git(ROOT, "ls-files", "-z", *options).split("\0") if name]


def _add_tiny_dataset(root: Path) -> None:
    """Add a dataset, by a file of its own, as a user does; GAN_DATA_SOURCE says where its files are."""
    files = []
    for path in sorted((root / DIGITS).glob("*.gz")):
        content = gzip.decompress(path.read_bytes())
        files.append(f'    "{path.stem}": File({len(content)}, "{hashlib.sha256(content).hexdigest()}"),\n')
    module = root / "stages" / "datasets" / "sets" / "tiny.py"
    module.write_text(TINY_DATASET.format(files="".join(files)), encoding="utf-8")
