"""What dvc.lock records of the stages: the bytes of what each read and wrote, and the params that it had."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError
from stages.common.shown import one_line

LOCK = "dvc.lock"
REMEDY = "`git checkout dvc.lock` brings back the committed one, then `dvc repro`"
"""For a file that is no lock: DVC refuses it, too, and does not write it anew."""
NETWORK = "train_gan"
"""The stage that records the options of the chosen network beside its own section."""


@dataclass(frozen=True)
class Out:
    """An out as dvc.lock records it. size: bytes; of a folder, all its files."""

    stage: str
    md5: str
    size: int


class Lock:
    """The content of a dvc.lock. Raises UserError for anything else."""

    def __init__(self, content: str | bytes) -> None:
        try:
            self.stages: dict[str, Any] = (YAML(typ="safe", pure=True).load(content) or {}).get("stages", {})
            self.every_out()  # of whatever form, it is read here for the first time
            for name in self.stages:
                assert None not in (self.deps(name), self.params(name))
        except (YAMLError, RecursionError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"dvc.lock cannot be read ({one_line(error)}); {REMEDY}") from None

    def deps(self, stage: str) -> dict[str, str]:
        """MD5 by path, of a stage; empty if it has not run."""
        return {entry["path"]: entry["md5"] for entry in self.stages.get(stage, {}).get("deps", [])}

    def outs(self, stage: str) -> dict[str, str]:
        """MD5 by path, of a stage; empty if it has not run."""
        return {path: out.md5 for path, out in self.every_out().items() if out.stage == stage}

    def params(self, stage: str) -> dict[str, Any]:
        """Of a stage, by section or key of params.yaml."""
        return dict(self.stages.get(stage, {}).get("params", {}).get("params.yaml", {}))

    def every_out(self) -> dict[str, Out]:
        """Those of all stages, by path."""
        return {
            entry["path"]: Out(stage, entry["md5"], entry["size"])
            for stage, content in self.stages.items()
            for entry in content.get("outs", [])
        }

    def params_of_the_run(self) -> dict[str, Any]:
        """The section of each stage, and the options of the network, as they were when the stage ran.

        What `check` and `report` record of other stages' sections is left out: it may be older or newer.
        """
        recorded = {stage: self.params(stage) for stage in self.stages}
        return {
            key: value for stage, params in recorded.items() for key, value in params.items() if stage in (key, NETWORK)
        }


def lock_content(root: Path) -> bytes:
    """Of the project's dvc.lock; empty if there is none. Raises UserError if it is an empty file."""
    path = root / LOCK
    if not path.is_file():
        return b""
    if not (content := path.read_bytes()).strip():
        raise UserError(f"dvc.lock cannot be read (it is empty); {REMEDY}")
    return content


def read_filled_lock(root: Path) -> Lock:
    """That of a project that has run. Raises UserError if dvc.lock is missing or records no outs."""
    if not (root / LOCK).is_file():
        raise UserError(f"{LOCK} is not committed; run `dvc repro` and commit what it writes")
    lock = Lock(lock_content(root))
    if not lock.every_out():
        raise UserError(f"{LOCK} records no outs; `dvc repro` fills it, then commit it")
    return lock


def has_other_bytes(path: Path, out: Out) -> bool:
    """Whether there is such a file, and it is not the one that dvc.lock records."""
    return path.is_file() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != out.md5
