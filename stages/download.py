"""Get the files of a dataset from the first of its sources that has them, and write them as four IDX files.

Every file is verified by its checksum, whatever its source, before anything is made of it: which source gave it, and
how compressed, changes nothing in the outs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from stages.common.class_names import class_names
from stages.common.errors import UserError
from stages.common.files import write_bytes, write_json
from stages.common.params import StageParams, known_name, load_params
from stages.common.runtime import data_source, report_errors
from stages.common.unchanged import Unchanged
from stages.datasets import registry
from stages.datasets.formats.idx import NAMES
from stages.datasets.registry import Dataset
from stages.datasets.sources.base import FileError, Source, SourceError
from stages.datasets.sources.named import named_source

NO_FOLDER = "none"


class Params(StageParams):
    """The section download of params.yaml."""

    dataset: Annotated[
        str,
        known_name(lambda: registry.names()),  # noqa: PLW0108 (looked up at each check: tests add names)
        Field(description="name of the dataset, without unit"),
    ]
    folder: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
            description="a folder in data/images, of class folders, for the dataset folder; or none",
        ),
    ]

    @model_validator(mode="after")
    def _folder_belongs_to_its_dataset(self) -> "Params":
        own = self.dataset == registry.OWN_IMAGES
        if own and self.folder == NO_FOLDER:
            raise ValueError(
                "expected the name of a folder in data/images as folder, for the dataset folder, found none"
            )
        if not own and self.folder != NO_FOLDER:
            raise ValueError(f"expected folder none for the dataset {self.dataset}, found {self.folder}")
        return self


def run(params: Params, data: Path) -> None:
    """Write the dataset's four IDX files and dataset.json (its name, class names and bar) to data/download.

    Raises UserError if the sources together do not give every file, OSError if one cannot be written.
    """
    dataset = chosen(params, data)
    contents: dict[str, bytes] = {}
    failures: list[str] = []
    for source in _sources(dataset):
        missing = [name for name in dataset.files if name not in contents]
        if missing:
            failures += fetch_files(source, dataset, missing, contents)
    if missing := [name for name in dataset.files if name not in contents]:
        raise UserError(_nowhere(params.dataset, dataset, missing, failures))
    made = dataset.format(contents)
    name = params.dataset if params.folder == NO_FOLDER else params.folder
    entry = registered_entry(name, dataset)
    folder = data / "download"
    for name in NAMES:
        write_bytes(folder / name, made[name])
    write_json(folder / "dataset.json", entry)


def chosen(params: Params, data: Path) -> Dataset:
    """The dataset that the params name. Raises UserError if it is a folder that is not there, or has no classes."""
    return registry.load(params.dataset, data / "images" / params.folder)


def fetch_files(source: Source, dataset: Dataset, names: list[str], contents: dict[str, bytes]) -> list[str]:
    """Add those of the named files to `contents` that the source has; why it has not the others is returned.

    An OSError is no fault of the source, but of this machine: it is raised.
    """
    failures = []
    try:
        with source.open(sum(file.size for file in dataset.files.values())) as fetch:
            for name in names:
                file = dataset.files[name]
                try:
                    contents[name] = fetch(file.remote_name or name, file)
                    print(f"{name} from {source}")
                except FileError as error:
                    failures.append(f"{source}: {name}: {error}")
    except SourceError as error:
        failures.append(f"{source}: {error}")
    return failures


def registered_entry(name: str, dataset: Dataset) -> dict[str, Any]:
    """What dataset.json holds. Raises UserError if the dataset's file has values that later stages would refuse."""
    file = f"stages/datasets/sets/{name}.py"
    if not 0 <= dataset.least_accuracy <= 1:
        raise UserError(f"{file}: least_accuracy: expected a number from 0 to 1, found {dataset.least_accuracy}")
    try:
        names = class_names(list(dataset.classes))
    except ValueError as error:
        raise UserError(f"{file}: classes: {error}") from None
    return {"name": name, "classes": names, "least_accuracy": float(dataset.least_accuracy)}


def _sources(dataset: Dataset) -> Iterator[Source]:
    if named := data_source():
        yield named_source(named)
    yield from dataset.sources


def _nowhere(name: str, dataset: Dataset, missing: list[str], failures: list[str]) -> str:
    files = ", ".join(file.remote_name or name for name, file in dataset.files.items())
    form = "plain or .gz" if all(file.sha256 for file in dataset.files.values()) else "compressed, as published"
    return "\n  ".join(
        [
            f"no source gave {', '.join(missing)} of {name}:",
            *failures,
            f"what to do: put {files} ({form}) in a folder and name it, `GAN_DATA_SOURCE=<folder> dvc repro`",
        ]
    )


if __name__ == "__main__":
    # Not run_stage, which makes torch deterministic: there is no tensor here, and torch takes a second to import.
    with report_errors("download"):
        unchanged = Unchanged("download")
        run(load_params("download", Params), Path("data"))
        unchanged.confirm()
