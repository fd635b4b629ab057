"""Run the pipeline up to evaluate with other seeds in a clean clone, for seeds.py and spread.py."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stages.common.errors import UserError
from tools.fresh import clean_clone, find_commit, run_dvc, warn_if_not_committed
from tools.proof import Record, read_record
from tools.record.recipe import apply
from tools.repository import git

LEAST_SEEDS = 2
"""A standard deviation needs two values."""


@contextlib.contextmanager
def clone_of_head(root: Path) -> Iterator[Path]:
    """A clean clone of the committed state. It has a user name, because DVC saves experiments as commits."""
    commit = find_commit(root, "HEAD")
    warn_if_not_committed(root, commit)
    with clean_clone(root, commit) as clone:
        git(clone, "config", "user.name", "-", throw_away=True)
        git(clone, "config", "user.email", "-", throw_away=True)
        yield clone


def run_seed(clone: Path, seed: int, stages: tuple[str, ...], changes: list[str]) -> Record:
    """Run up to evaluate with the seed in these stages and with params changed as KEY=VALUE. Returns the run's record.

    clone: of the committed state, in which earlier runs may have left their params and results. Raises UserError if the
    run fails.
    """
    git(clone, "checkout", "--quiet", "--force", "HEAD", throw_away=True)
    changed = [*changes, *(f"{stage}.seed={seed}" for stage in stages)]
    if code := run_dvc(clone, "exp", "run", *(f"--set-param={change}" for change in changed), "evaluate"):
        raise UserError(f"seed {seed}: the run failed (exit code {code}); see its message above")
    return read_record(clone)


def check_changes(clone: Path, changes: list[str]) -> None:
    """Raises UserError if DVC refuses to change the params so, before anything is run."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "params.yaml"
        copy.write_bytes((clone / "params.yaml").read_bytes())
        apply(changes, copy)


def check_seeds(count: int, least: int = LEAST_SEEDS) -> None:
    """Raises UserError if the count is too small for a spread."""
    if count < least:
        raise UserError(f"expected at least {least} seeds, found {count}")
