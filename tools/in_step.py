"""Whether params, code and the newest commit are in step with the run in data/, as dvc.lock records it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.reporting.comparison import differences
from tools.ci.gate import cached_outs, changes, read_status
from tools.dvc_lock import Lock
from tools.repository import git


def other_params(params: Mapping[str, Any], lock: Lock) -> list[str]:
    """The keys whose values in params, all of params.yaml, are not those that the run had."""
    recorded = lock.params_of_the_run()
    return [each.name for each in differences({key: _value(params, key) for key in recorded}, recorded)]


def _value(params: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key; an empty mapping if it is not there."""
    value: Any = params
    for part in key.split("."):
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return value


def commit_in_step(root: Path, folder: Path | None = None) -> str | None:
    """The newest commit, by its full hash, if it holds all that made the run in data/: lock, params, code, results.

    None if something is not committed, or if a stage would run again. folder: files there, which a tool writes, are
    not looked at. What is just missing in data/ does not count.
    """
    beside = [f":(exclude){folder.resolve()}"] if folder and folder.resolve().is_relative_to(root.resolve()) else []
    try:
        changed = git(root, "status", "--porcelain", "--untracked-files=all", "--", ".", *beside)
        if changed or not git(root, "ls-files", "--", "dvc.lock"):
            return None
        if changes(read_status(root), cached_outs(root)):
            return None
        return git(root, "rev-parse", "HEAD").strip()
    except UserError:  # no repository, no commit, or none of DVC
        return None
