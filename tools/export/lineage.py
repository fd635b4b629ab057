"""What the run in data/ says of a generator: only files that dvc.lock traces to that very file, by their hashes."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from stages.common.files import read_json
from stages.common.params import read_params_file
from stages.common.records import Record, Undefined, read_record
from stages.evaluation.cas import CasDetails
from stages.evaluation.details import Details
from stages.evaluation.two_sample_details import TwoSampleDetails
from tools.dvc_lock import Lock, lock_content
from tools.in_step import other_params

GENERATOR = "generator.safetensors"
SAMPLES = "data/generate/samples.safetensors"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Lineage:
    """What is known of a generator: None or empty where the run in data/ does not say it of this file.

    training: the params of train_gan and of the network that made it, by section, and of the images if their dataset is
    known; dataset: what it learned from; drawing: the params of generate, whose samples the figures are of;
    compared_with: the dataset of the test images in the evaluation; hashes: SHA-256 by path, of files that it was made
    from or judged by.
    """

    training: dict[str, Any] = field(default_factory=dict)
    drawing: dict[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    compared_with: str | None = None
    environment: dict[str, Any] | None = None
    details: Details | None = None
    usefulness: CasDetails | None = None
    judged: TwoSampleDetails | None = None
    picture: bytes | None = None
    hashes: dict[str, str] = field(default_factory=dict)


def lineage_of(root: Path, generator: bytes) -> Lineage:
    """Of the generator with that content. Raises UserError if dvc.lock or a file that it traces cannot be read."""
    lock, md5 = _Lock(root), _md5(generator)
    found: dict[str, Any] = {}
    if lock.outs("train_gan").get(f"data/train_gan/{GENERATOR}") == md5:
        found |= _training(lock, hashlib.sha256(generator).hexdigest())
    if md5 in {value for path, value in lock.deps("generate").items() if path.endswith(f"/{GENERATOR}")}:
        found |= _judgements(lock)
    return Lineage(**found, hashes=_hashes(lock) if found else {})


def _training(lock: "_Lock", sha256: str) -> dict[str, Any]:
    """What decided the generator that train_gan wrote."""
    dataset = lock.dataset_of("train_gan")
    stages = ("download", "normalize", "train_gan") if dataset else ("train_gan",)
    training = {section: values for stage in stages for section, values in lock.params(stage).items()}
    found: dict[str, Any] = {"training": training, "dataset": dataset}
    path = lock.root / "data/train_gan/environment.json"
    content = read_json(path) if path.is_file() else None
    if isinstance(content, dict) and content.get("generator_sha256") == sha256:
        found["environment"] = content
    return found


def _judgements(lock: "_Lock") -> dict[str, Any]:
    """What is known of the samples that `generate` drew, whatever trained their generator."""
    details = lock.judgement("evaluate", Details)
    return {
        "drawing": lock.params("generate").get("generate", {}),
        "compared_with": lock.dataset_of("evaluate") if details else None,
        "picture": lock.content("generate", "data/generate/samples.png"),
        "details": details,
        "usefulness": lock.judgement("usefulness", CasDetails),
        "judged": lock.judgement("two_sample", TwoSampleDetails),
    }


def _hashes(lock: "_Lock") -> dict[str, str]:
    """SHA-256 of dvc.lock, and of params and requirements if they still are those of the run."""
    names, params, packages = ["dvc.lock"], lock.root / "params.yaml", lock.root / "requirements.txt"
    if params.is_file() and not other_params(read_params_file(params), lock):
        names.append(params.name)
    if packages.is_file() and _md5(packages.read_bytes()) == lock.deps("check").get(packages.name):
        names.append(packages.name)
    return {name: hashlib.sha256((lock.root / name).read_bytes()).hexdigest() for name in names}


class _Lock(Lock):
    """dvc.lock, and the files in data/ that still are what it says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__(lock_content(root))

    def content(self, stage: str, path: str) -> bytes | None:
        """Of an out, if the file is there and is the one that the stage wrote."""
        file = self.root / path
        content = file.read_bytes() if file.is_file() else None
        return content if content is not None and _md5(content) == self.outs(stage).get(path) else None

    def judgement(self, stage: str, schema: type[R]) -> R | None:
        """What a stage wrote of the samples that `generate` drew last, if it is still there."""
        path, drawn = f"data/{stage}/details.json", self.outs("generate").get(SAMPLES)
        if drawn is None or self.deps(stage).get(SAMPLES) != drawn or self.content(stage, path) is None:
            return None
        if set(read_json(self.root / path)) == set(Undefined.model_fields):  # of samples without labels
            return None
        return read_record(self.root / path, schema)

    def dataset_of(self, stage: str) -> str | None:
        """The dataset whose images the stage read; None if `download` or `normalize` has made others since."""
        is_traced = self._reads(stage, "normalize") and self._reads("normalize", "download")
        return self.params("download").get("download", {}).get("dataset") if is_traced else None

    def _reads(self, stage: str, earlier: str) -> bool:
        """Whether what the stage read of an earlier one is what that wrote last."""
        written = self.outs(earlier)
        read = {path: md5 for path, md5 in self.deps(stage).items() if path in written}
        return bool(read) and all(written[path] == md5 for path, md5 in read.items())


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
