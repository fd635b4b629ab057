"""What a stage depends on must not change while it runs.

DVC reads params and hashes dependencies when a stage has ended, so it would record an edit made in the meantime beside
results of the state before it. Each stage therefore compares what dvc.yaml lists for it between its start and its end;
its modules, which take seconds to load, with what they were before the first was loaded. Without dvc.yaml nothing is
recorded, and there is nothing to compare.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common import code_at_start
from stages.common.errors import UserError
from stages.common.params import PARAMS_FILE, read_params_file
from stages.common.shown import shown

PIPELINE, IGNORED = Path("dvc.yaml"), Path(".dvcignore")
NEVER_DEPENDENCIES = (".git", ".hg", ".dvc", "__pycache__")
"""What DVC passes over without being told, and code that Python compiles while a stage runs."""
Stat = tuple[int, int, int]


class Unchanged:
    """What a stage depends on, as it was when this object was made, and its code as it was loaded.

    Raises UserError if its code has changed since this process started.
    """

    def __init__(self, stage: str, root: Path = Path()) -> None:
        self.stage, self.root = stage, root
        self._digests: dict[Path, tuple[Stat, str]] = {}
        self._ignored = _ignored_in(root)
        self._before = self._causes()
        if changed := self._changed_while_loading():
            raise UserError(
                f"{', '.join(changed[:3])} changed while the stage was being loaded, so it may have loaded parts of "
                "both states; run `dvc repro` again"
            )

    @property
    def digest(self) -> str:
        """What processes of one stage share if they began with the same params, code and inputs."""
        return hashlib.sha256(repr(sorted(self._before.items())).encode()).hexdigest()

    def confirm(self) -> None:
        """Raises UserError, naming what changed, if the stage's params, code or inputs are not what they were."""
        now = self._causes()
        changed = sorted(key for key in self._before.keys() | now.keys() if self._before.get(key) != now.get(key))
        if changed:
            raise UserError(
                f"{', '.join(changed[:3])} changed while the stage ran, so its results are of neither state; "
                "run `dvc repro` again"
            )

    def _changed_while_loading(self) -> list[str]:
        """The modules that the stage depends on and that are not, or no longer, as they were at the start."""
        package = code_at_start.PACKAGE
        if (self.root / package).resolve() != code_at_start.FOLDER:
            return []  # another project's pipeline, whose modules are not these
        entry, params = self._listed()
        listed = [_resolved(dependency, params) for dependency in entry.get("deps", [])]
        before = {
            name: digest
            for name, digest in code_at_start.CODE.items()
            if any(name == path or name.startswith(f"{path}/") for path in listed)
            and not self._ignored.match_file(name)
        }
        now = {
            name: digest
            for name, digest in self._before.items()
            if name.startswith(f"{package}/") and name.endswith(".py")
        }
        return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))

    def _causes(self) -> dict[str, str]:
        """The content of each section of params.yaml, and the SHA-256 of each file, that dvc.yaml lists."""
        entry, params = self._listed()
        causes: dict[str, str] = {}
        for key in entry.get("params", []):
            causes |= self._params_of(key, params)
        for dependency in entry.get("deps", []):
            for path in self._files(self.root / _resolved(dependency, params)):
                causes[path.relative_to(self.root).as_posix()] = self._digest(path)
        return causes

    def _params_of(self, entry: str | dict[str, list[str] | None], params: dict[str, Any]) -> dict[str, str]:
        """The content of one entry under params: a section of params.yaml, or a file with sections or all of it."""
        if isinstance(entry, str):
            section = _resolved(entry, params)
            return {f"{PARAMS_FILE} {section}": _content_of(_lookup(params, section))}
        ((file, sections),) = entry.items()
        if file != PARAMS_FILE.as_posix():
            return {file: self._digest(self.root / file)} if (self.root / file).is_file() else {}
        if sections is None:
            return {file: _content_of(params)}
        return {name: text for section in sections for name, text in self._params_of(section, params).items()}

    def _listed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The stage's entry in dvc.yaml, and params.yaml; nothing where there is no such entry, or neither is valid."""
        try:
            pipeline = _parsed((self.root / PIPELINE).read_text(encoding="utf-8"))
            return pipeline["stages"][self.stage], read_params_file(self.root / PARAMS_FILE)
        except (OSError, YAMLError, UserError, KeyError, TypeError, ValueError):
            return {}, {}

    def _files(self, path: Path) -> Iterator[Path]:
        """The file, or those in the folder and below that DVC counts."""
        if path.is_dir():
            names = {file: file.relative_to(self.root).as_posix() for file in path.rglob("*") if file.is_file()}
            yield from (file for file, name in sorted(names.items()) if not self._ignored.match_file(name))
        elif path.is_file():
            yield path

    def _digest(self, path: Path) -> str:
        """SHA-256; a file whose size, time and place are what they were is not read again."""
        status = path.stat()
        stat = status.st_size, status.st_mtime_ns, status.st_ino
        if path not in self._digests or self._digests[path][0] != stat:
            with path.open("rb") as file:
                self._digests[path] = stat, hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[path][1]


@lru_cache(maxsize=1)
def _parsed(pipeline: str) -> Any:
    """The content of a dvc.yaml, which a stage asks for three times."""
    return YAML(typ="safe", pure=True).load(pipeline)


def _ignored_in(root: Path) -> GitIgnoreSpec:
    """What DVC passes over in the folders that stages depend on: files of desktops and editors, by .dvcignore."""
    path = root / IGNORED
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    try:
        return GitIgnoreSpec.from_lines([*NEVER_DEPENDENCIES, *lines])
    except ValueError:  # with which DVC, too, stops
        return GitIgnoreSpec.from_lines(NEVER_DEPENDENCIES)


def _content_of(value: object, seen: dict[int, str] | None = None) -> str:
    """A text that two values of params.yaml share if they are equal, the order of keys aside.

    Not JSON: an alias may name a list a million times, or the list that it is in; a number may be too long for a text.
    seen: the texts of lists and mappings, by their identity.
    """
    if not isinstance(value, list | tuple | set | dict):
        return hex(value) if type(value) is int else repr(value)
    seen = {} if seen is None else seen
    if id(value) not in seen:
        seen[id(value)] = "an alias of what holds it"
        texts = [_content_of(entry, seen) for entry in value]
        if isinstance(value, dict):
            entries = zip(texts, value.values(), strict=True)
            texts = sorted(f"{key}: {_content_of(entry, seen)}" for key, entry in entries)
        elif isinstance(value, set):
            texts = sorted(texts)
        seen[id(value)] = f"{type(value).__name__} {hashlib.sha256(repr(texts).encode()).hexdigest()}"
    return seen[id(value)]


def _resolved(text: str, params: dict[str, Any]) -> str:
    """The text with DVC's templates ${section.key} filled in."""
    return re.sub(r"\$\{([\w.]+)\}", lambda match: _text(_lookup(params, match[1])), text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


def _lookup(params: dict[str, Any], key: str) -> Any:
    """The value of a dotted key; None if there is none."""
    value: Any = params
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
