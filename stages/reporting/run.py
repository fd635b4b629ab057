"""A finished run as the page reads it: what its stages wrote, and nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from stages.common.errors import UserError
from stages.common.files import read_json, remedy, require_equal
from stages.common.images import ImageSet, load_image_set
from stages.common.params import PARAMS_FILE
from stages.common.records import read_record
from stages.common.shown import shown
from stages.evaluation.curve import CurveDetails
from stages.evaluation.image_sets import load_samples
from stages.gan.initial import read_stored
from stages.gan.sampler import Sampler, sampler_from
from stages.reporting.content import Files
from stages.reporting.figures import Measured
from stages.reporting.measured import read_measured
from stages.reporting.quiz import OF_EACH_KIND
from stages.reporting.tables import read_names, read_numbers

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
SAMPLES, ANIMATION = "generate/samples.safetensors", "track/training.gif"
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
    files = Files(data)
    origin = _needed(params, "generate", "generator", str)
    generator_path = files.path(f"{origin}/generator.safetensors")
    tensors, meta = read_stored(generator_path)
    sampler = sampler_from(tensors, meta, _needed(params, "generate", "seed", int), str(generator_path))
    test, samples = _images(files)
    # Whichever generator the params name, of this run or an earlier one, is shown as the one that drew the samples.
    samples_path = files.path(SAMPLES)
    require_equal(samples_path, "image shape", samples.image_shape, meta["arguments"]["image_shape"], generator_path)
    require_equal(samples_path, "classes", samples.classes, meta["classes"], generator_path)
    return Run(
        dataset=_dataset_name(files.path("normalize/dataset.json")),
        test=test,
        samples=samples,
        generator=Generator(sampler, tensors, meta, origin),
        measured=read_measured(files.path),
        curve=read_record(files.path("track/details.json"), CurveDetails),
        tables={
            **{name: read_numbers(files.path(name), columns) for name, columns in NUMBERS.items()},
            **{name: read_names(files.path(name), columns) for name, columns in NAMES.items()},
        },
        pictures={name: files.content(name) for name in PICTURES},
        animation=files.content(ANIMATION),
        params=params_of_the_run(params),
        versions=_versions(files.path("check/ok.json")),
        sha256=files.sha256(),
    )


def _images(files: Files) -> tuple[ImageSet, ImageSet]:
    """The test images and samples, of a large file only the first ones: the page shows few."""
    test_path, samples_path = files.path("normalize/test.safetensors"), files.path(SAMPLES)
    test = load_image_set(test_path)
    return test, load_samples(samples_path, OF_EACH_KIND, test, test_path)


def params_of_the_run(params: dict[str, Any]) -> dict[str, Any]:
    """All sections of params.yaml; of the networks' options those of the chosen network alone.

    Raises UserError if no network is chosen.
    """
    network, options = _needed(params, "train_gan", "network", str), params.get("networks")
    options = options if isinstance(options, dict) else {}
    return {**params, "networks": {network: options[network]} if network in options else {}}


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
