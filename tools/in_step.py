"""What dvc.lock records of the run in data/, and whether params, code and the newest commit are in step with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError
from stages.common.shown import one_line
from stages.reporting.comparison import differences
from tools.ci.gate import cached_outs, changes, read_status
from tools.repository import git

NETWORK = "train_gan"
"""The stage that records the options of the chosen network beside its own section."""


class Lock:
    """The content of a dvc.lock: MD5 of deps and outs by path, params by section. UserError for anything else."""

    def __init__(self, content: str | bytes) -> None:
        try:
            self.stages: dict[str, Any] = (YAML(typ="safe", pure=True).load(content) or {}).get("stages", {})
            for name in self.stages:  # of whatever form, it is read here for the first time
                assert None not in (self.deps(name), self.outs(name), self.params(name))
        except (YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"dvc.lock cannot be read ({one_line(error)}); `dvc repro` writes it again") from None

    def deps(self, stage: str) -> dict[str, str]:
        """Of a stage; empty if it has not run."""
        return {entry["path"]: entry["md5"] for entry in self.stages.get(stage, {}).get("deps", [])}

    def outs(self, stage: str) -> dict[str, str]:
        """Of a stage; empty if it has not run."""
        return {entry["path"]: entry["md5"] for entry in self.stages.get(stage, {}).get("outs", [])}

    def params(self, stage: str) -> dict[str, Any]:
        """Of a stage, by section or key of params.yaml."""
        return dict(self.stages.get(stage, {}).get("params", {}).get("params.yaml", {}))

    def every_out(self) -> dict[str, str]:
        """Of all stages."""
        return {path: md5 for stage in self.stages for path, md5 in self.outs(stage).items()}

    def params_of_the_run(self) -> dict[str, Any]:
        """The section of each stage, and the options of the network, as they were when the stage ran.

        What `check` and `report` record of other stages' sections is left out: it may be older or newer.
        """
        recorded = {stage: self.params(stage) for stage in self.stages}
        return {
            key: value for stage, params in recorded.items() for key, value in params.items() if stage in (key, NETWORK)
        }


def lock_content(root: Path) -> bytes:
    """Of the project's dvc.lock; empty if there is none."""
    path = root / "dvc.lock"
    return path.read_bytes() if path.is_file() else b""


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
        if git(root, "status", "--porcelain", "--", ".", *beside) or not git(root, "ls-files", "--", "dvc.lock"):
            return None
        if changes(read_status(root), cached_outs(root)):
            return None
        return git(root, "rev-parse", "HEAD").strip()
    except UserError:  # no repository, no commit, or none of DVC
        return None
