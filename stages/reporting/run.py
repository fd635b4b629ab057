"""A finished run as the page reads it: what its stages wrote, and nothing else."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import read_json, remedy, require
from stages.common.images import ImageSet, load_alike
from stages.common.records import Undefined, read_record
from stages.evaluation.cas import CasDetails
from stages.evaluation.curve import CurveDetails
from stages.evaluation.details import Details
from stages.evaluation.two_sample_details import TwoSampleDetails
from stages.gan.initial import read_stored
from stages.gan.sampler import Sampler, sampler_from
from stages.reporting.figures import Measured

PICTURES = (
    "generate/samples.png",
    "generate/classes.png",
    "generate/interpolations.png",
    "generate/arithmetic.png",
    "inspect/truncation.png",
    "inspect/discriminator.png",
    "evaluate/confusion.png",
    "evaluate/nearest.png",
)
"""Shown as they are."""
TABLES = ("train_gan/history.csv", "train_gan/monitor.csv", "track/track.csv", "evaluate/confusion.csv")
OF_TEXTS = {"evaluate/confusion.csv": str}
"""Tables whose columns are names, even where they look like numbers."""


@dataclass(frozen=True)
class Generator:
    """The generator: its samples, its file's tensors and description. origin: the folder under data/ of that file."""

    sampler: Sampler
    tensors: dict[str, Tensor]
    meta: dict[str, Any]
    origin: str


@dataclass(frozen=True)
class Run:
    """What the page shows. By the names of files below data/: pictures as PNG, tables, and sha256 of every file read.

    animation: a GIF; params: the sections of params.yaml that the
    run depends on; versions: of the libraries that decide bytes, as locked.
    """

    dataset: str
    test: ImageSet
    samples: ImageSet
    generator: Generator
    measured: Measured
    curve: CurveDetails
    tables: dict[str, pd.DataFrame]
    pictures: dict[str, bytes]
    animation: bytes
    params: dict[str, Any]
    versions: dict[str, str]
    sha256: dict[str, str]

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.samples.classes

    @property
    def noun(self) -> str:
        """What the images show, in the singular."""
        return "digit" if self.classes == list("0123456789") else "image"


def read_run(data: Path, params: dict[str, Any]) -> Run:
    """Read it all. params: all of params.yaml. Raises UserError if a file is missing or not what its stage writes."""
    files = _Files(data)
    origin = params["generate"]["generator"]
    generator_path = files.path(f"{origin}/generator.safetensors")
    tensors, meta = read_stored(generator_path)
    sampler = sampler_from(tensors, meta, params["generate"]["seed"], str(generator_path))
    test, samples = load_alike(files.path("normalize/test.safetensors"), files.path("generate/samples.safetensors"))
    return Run(
        dataset=_dataset_name(files.path("normalize/dataset.json")),
        test=test,
        samples=samples,
        generator=Generator(sampler, tensors, meta, origin),
        measured=read_measured(files.path),
        curve=read_record(files.path("track/details.json"), CurveDetails),
        tables={name: _table(files.path(name), OF_TEXTS.get(name)) for name in TABLES},
        pictures={name: files.path(name).read_bytes() for name in PICTURES},
        animation=files.path("track/training.gif").read_bytes(),
        params=params_of_the_run(params),
        versions=_versions(files.path("check/ok.json")),
        sha256=files.sha256,
    )


def read_measured(path: Callable[[str], Path]) -> Measured:
    """What was measured. path: of a file by its name below data/. Raises UserError for anything else."""
    cas = path("usefulness/details.json")
    content = read_json(cas)
    is_undefined = isinstance(content, dict) and set(content) == {"undefined"}
    return Measured(
        evaluation=read_record(path("evaluate/details.json"), Details),
        usefulness=read_record(cas, Undefined) if is_undefined else read_record(cas, CasDetails),
        two_sample=read_record(path("two_sample/details.json"), TwoSampleDetails),
    )


def params_of_the_run(params: dict[str, Any]) -> dict[str, Any]:
    """All sections of params.yaml; of the networks' options those of the chosen network alone."""
    network = params["train_gan"]["network"]
    options = params.get("networks", {})
    return {**params, "networks": {network: options[network]} if network in options else {}}


class _Files:
    """The files of a run, each hashed when it is asked for."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.sha256: dict[str, str] = {}

    def path(self, name: str) -> Path:
        """The path of a file by its name below data/. Raises UserError if it is missing."""
        path = require(self.data / name)
        self.sha256[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return path


def _table(path: Path, kind: type | None) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=kind, keep_default_na=kind is None)
    except ValueError as error:  # pandas's parsers raise subclasses of it
        raise UserError(f"{path} is no table ({error}); {remedy(path)}") from None


def _dataset_name(path: Path) -> str:
    content = read_json(path)
    name = content.get("name") if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise UserError(f"{path}: expected the name of a dataset; {remedy(path)}")
    return name


def _versions(path: Path) -> dict[str, str]:
    """The locked versions in the file of stage check."""
    content = read_json(path)
    return {name: str(version) for name, version in sorted(content.items()) if name != "schema"}
