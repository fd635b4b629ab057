"""The environment that a commit locks: built beside the project once, then used by every run with the same lock."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from stages.common.errors import UserError
from tools.install import install

LOCK = "requirements.txt"
FOLDER = ".environments"
"""In the project's folder, not in Git; may be deleted at any time."""
COMPLETE = "complete"
"""A file in an environment that holds all its packages."""


def locked_python(root: Path, clone: Path) -> Path:
    """The interpreter with the packages that the clone's requirements.txt locks.

    That is this one where the project at root has the same lock. Otherwise it is one of a virtual environment of this
    Python, which is built if need be. Raises UserError if that fails.
    """
    lock = clone / LOCK
    if not lock.is_file() or ((root / LOCK).is_file() and lock.read_bytes() == (root / LOCK).read_bytes()):
        return Path(sys.executable)
    environment = root / FOLDER / _key(lock)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    environment.parent.mkdir(exist_ok=True)
    with FileLock(environment.with_suffix(".lock")):
        if not ((environment / COMPLETE).is_file() and python.is_file()):
            print(f"verify: installing the packages that the commit locks into {environment}", flush=True)
            _build(environment, python, lock)
    return python


def _key(lock: Path) -> str:
    """By which an environment is found again: what is installed, by what Python, on what machine."""
    parts = (platform.python_version(), platform.machine(), hashlib.sha256(lock.read_bytes()).hexdigest())
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _build(environment: Path, python: Path, lock: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    code = subprocess.run([sys.executable, "-I", "-m", "venv", str(environment)], check=False).returncode
    if code or install(python, lock):
        shutil.rmtree(environment, ignore_errors=True)
        raise UserError(
            "the packages that the commit locks cannot be installed here (the reason is above); "
            "`make verify PACKAGES=current` runs with those of this environment"
        )
    (environment / COMPLETE).touch()
