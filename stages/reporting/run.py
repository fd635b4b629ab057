"""A finished run as the page reads it: what its stages wrote, and nothing else."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import read_json, remedy, require
from stages.common.images import ImageSet, load_alike
from stages.common.params import PARAMS_FILE
from stages.common.records import Undefined, read_record
from stages.common.shown import listed, one_line, shown
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
HISTORY, MONITOR, TRACK = "train_gan/history.csv", "train_gan/monitor.csv", "track/track.csv"
NUMBERS = {
    HISTORY: ("kimg", "g_loss", "d_loss", "fake_logits", "real_logits", "g_grad_norm", "d_grad_norm", "penalty"),
    MONITOR: ("kimg", "spread", "nearest"),
    TRACK: ("kimg", "fd_classifier", "coverage", "gan_test_accuracy"),
}
"""Tables and the columns that the page reads: numbers, of which all but kimg may be missing."""
NAMES = {"evaluate/confusion.csv": ("asked", "recognised")}
"""The same of texts, even where they look like numbers."""


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
    origin = _needed(params, "generate", "generator", str)
    generator_path = files.path(f"{origin}/generator.safetensors")
    tensors, meta = read_stored(generator_path)
    sampler = sampler_from(tensors, meta, _needed(params, "generate", "seed", int), str(generator_path))
    test, samples = load_alike(files.path("normalize/test.safetensors"), files.path("generate/samples.safetensors"))
    return Run(
        dataset=_dataset_name(files.path("normalize/dataset.json")),
        test=test,
        samples=samples,
        generator=Generator(sampler, tensors, meta, origin),
        measured=read_measured(files.path),
        curve=read_record(files.path("track/details.json"), CurveDetails),
        tables={
            **{name: read_numbers(files.path(name), columns) for name, columns in NUMBERS.items()},
            **{name: _read_names(files.path(name), columns) for name, columns in NAMES.items()},
        },
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
    """All sections of params.yaml; of the networks' options those of the chosen network alone.

    Raises UserError if no network is chosen.
    """
    network, options = _needed(params, "train_gan", "network", str), params.get("networks")
    options = options if isinstance(options, dict) else {}
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


def _needed(params: dict[str, Any], section: str, key: str, kind: type) -> Any:
    """A value of params.yaml, which `check` may not have seen. Raises UserError if it is of another kind."""
    content = params.get(section)
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        expected = "a whole number" if kind is int else "a name"
        actual = "nothing" if value is None else shown(value)
        raise UserError(
            f"{PARAMS_FILE}: {section}.{key}: expected {expected}, found {actual}; "
            f"`git diff {PARAMS_FILE}` shows what was changed"
        )
    return value


def read_numbers(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table that a stage wrote. Raises UserError if a column is missing, or holds anything but numbers."""
    return _read_table(path, columns, _require_numbers)


def _read_names(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """The same with names, all of which are there."""
    return _read_table(path, columns, _require_names, dtype=str, keep_default_na=False)


def _read_table(
    path: Path, columns: tuple[str, ...], require_values: Callable[[pd.Series], None], **options: Any
) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, **options)
        if missing := [name for name in columns if name not in table]:
            raise ValueError(f"expected the column {missing[0]}, found {listed([str(name) for name in table])}")
        for name in columns:
            require_values(table[name])
        return table
    except ValueError as error:  # pandas's parsers raise subclasses of it
        raise UserError(f"{path} is no table ({one_line(error)}); {remedy(path)}") from None


def _require_numbers(column: pd.Series) -> None:
    if not is_numeric_dtype(column):
        pd.to_numeric(column)  # says which value is none; without rows, or without any value, there is none
    if column.name == "kimg" and column.isna().any():
        raise ValueError("kimg: expected a number in every row")


def _require_names(column: pd.Series) -> None:
    if (column.isna() | (column == "")).any():
        raise ValueError(f"{column.name}: expected a name in every row")


def _dataset_name(path: Path) -> str:
    content = read_json(path)
    name = content.get("name") if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise UserError(f"{path}: expected the name of a dataset; {remedy(path)}")
    return name


def _versions(path: Path) -> dict[str, str]:
    """The locked versions in the file of stage check. Raises UserError if there are none."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected the locked versions, found {shown(content)}; {remedy(path)}")
    return {name: str(version) for name, version in sorted(content.items()) if name != "schema"}
