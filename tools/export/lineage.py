"""What the run in data/ says of a generator: only files that dvc.lock traces to that very file, by their hashes."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError
from stages.common.files import read_json
from stages.common.records import Record, Undefined, read_record
from stages.evaluation.cas import CasDetails
from stages.evaluation.details import Details
from stages.evaluation.two_sample_details import TwoSampleDetails

GENERATOR = "generator.safetensors"
SAMPLES = "data/generate/samples.safetensors"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Lineage:
    """What is known of a generator: None or empty where the run in data/ does not say it of this file.

    training: the params of train_gan and of the network that made it, by section; drawing: those of generate, whose
    samples the figures are of; hashes: SHA-256 by path, of files that it was made from or judged by.
    """

    training: dict[str, Any] = field(default_factory=dict)
    drawing: dict[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    environment: dict[str, Any] | None = None
    details: Details | None = None
    usefulness: CasDetails | None = None
    judged: TwoSampleDetails | None = None
    picture: bytes | None = None
    hashes: dict[str, str] = field(default_factory=dict)


def lineage_of(root: Path, generator: bytes) -> Lineage:
    """Of the generator with that content. Raises UserError if dvc.lock or a file that it traces cannot be read."""
    lock = _Lock(root)
    sha256, md5 = (hashlib.new(name, generator, usedforsecurity=False).hexdigest() for name in ("sha256", "md5"))
    found: dict[str, Any] = {}
    if lock.outs("train_gan").get(f"data/train_gan/{GENERATOR}") == md5:
        found |= {"training": lock.params("train_gan"), "dataset": _dataset(lock)}
        environment = root / "data/train_gan/environment.json"
        if environment.is_file() and (content := read_json(environment)).get("generator_sha256") == sha256:
            found["environment"] = content
    if md5 in {value for path, value in lock.deps("generate").items() if path.endswith(f"/{GENERATOR}")}:
        found |= {
            "drawing": lock.params("generate").get("generate", {}),
            "dataset": _dataset(lock),
            "picture": lock.content("generate", "data/generate/samples.png"),
            "details": lock.judgement("evaluate", Details),
            "usefulness": lock.judgement("usefulness", CasDetails),
            "judged": lock.judgement("two_sample", TwoSampleDetails),
        }
    names = ["dvc.lock", "params.yaml", "requirements.txt"] if found else []
    hashes = {name: _sha256(root / name) for name in names if (root / name).is_file()}
    return Lineage(**found, hashes=hashes)


class _Lock:
    """dvc.lock, and the files in data/ that still are what it says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        path = root / "dvc.lock"
        try:
            content = YAML(typ="safe").load(path.read_text(encoding="utf-8")) if path.is_file() else {}
            self.stages: dict[str, Any] = content.get("stages", {})
            for name in self.stages:  # of whatever form, it is read here for the first time
                assert None not in (self.deps(name), self.outs(name), self.params(name))
        except (YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"dvc.lock cannot be read ({reason}); `dvc repro` writes it again") from None

    def deps(self, stage: str) -> dict[str, str]:
        return {entry["path"]: entry["md5"] for entry in self.stages.get(stage, {}).get("deps", [])}

    def outs(self, stage: str) -> dict[str, str]:
        return {entry["path"]: entry["md5"] for entry in self.stages.get(stage, {}).get("outs", [])}

    def params(self, stage: str) -> dict[str, Any]:
        """By section or key of params.yaml."""
        return dict(self.stages.get(stage, {}).get("params", {}).get("params.yaml", {}))

    def content(self, stage: str, path: str) -> bytes | None:
        """Of an out, if the file is there and is the one that the stage wrote."""
        file = self.root / path
        content = file.read_bytes() if file.is_file() else None
        same = content is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() == self.outs(stage).get(
            path
        )
        return content if same else None

    def judgement(self, stage: str, schema: type[R]) -> R | None:
        """What a stage wrote of the samples that `generate` drew last, if it is still there."""
        path, drawn = f"data/{stage}/details.json", self.outs("generate").get(SAMPLES)
        if drawn is None or self.deps(stage).get(SAMPLES) != drawn or self.content(stage, path) is None:
            return None
        if set(read_json(self.root / path)) == set(Undefined.model_fields):  # of samples without labels
            return None
        return read_record(self.root / path, schema)


def _dataset(lock: _Lock) -> str | None:
    return lock.params("download").get("download", {}).get("dataset")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
