"""What a run of a recipe gave: read from the files of its stages, kept as JSON so that a stopped series goes on."""

import contextlib
import csv
import hashlib
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_json, write_json
from stages.common.params import read_params_file
from stages.common.records import Record, read_record
from stages.evaluation.details import Details
from stages.evaluation.per_class import ClassDetails
from tools.repository import git

LOST = 0.2
"""A class is lost if fewer of the samples are recognised as it than this part of an even share."""
SIGNS_FILE = Path("data/train_gan/monitor.csv")


class Measured(Record):
    """A metric and its ratio to the floor, None where it is not defined."""

    value: float | None
    ratio: float | None


class Result(Record):
    """One recipe with one seed.

    classes_lost: of num_classes; signs: what the monitor saw in its last look; cas: None if it was not measured;
    seconds: of the stage train_gan; core_seconds: its processor time; commit, machine: that it ran with and on.
    """

    recipe: str
    seed: int
    kimg: float
    network: str
    loss: str
    dataset: str
    seconds: float
    core_seconds: float
    metrics: dict[str, Measured]
    classes_lost: int
    num_classes: int
    signs: str
    cas: float | None
    commit: str
    machine: str

    def ratio(self, metric: str) -> float | None:
        """The metric over its floor."""
        return self.metrics[metric].ratio if metric in self.metrics else None

    def value(self, metric: str) -> float | None:
        """The metric itself."""
        return self.metrics[metric].value if metric in self.metrics else None


def read_result(
    clone: Path, recipe: str, seed: int, seconds: tuple[float, float], with_cas: bool, ran: tuple[str, str]
) -> Result:
    """The result of the run whose files are in the clone. Raises UserError if one is missing or damaged.

    seconds: as Result.seconds and Result.core_seconds; ran: with which commit, and on which machine.
    """
    details = read_record(clone / "data" / "evaluate" / "details.json", Details)
    params: dict[str, Any] = read_params_file(clone / "params.yaml")
    training = params["train_gan"]
    cas = read_json(clone / "data" / "usefulness" / "cas.json") if with_cas else {}
    return Result(
        recipe=recipe,
        seed=seed,
        kimg=training["total_kimg"],
        network=training["network"],
        loss=training["loss"],
        dataset=params["download"]["dataset"],
        seconds=seconds[0],
        core_seconds=seconds[1],
        metrics={name: Measured(value=entry.value, ratio=entry.ratio) for name, entry in details.metrics.items()},
        classes_lost=classes_lost(details.classes),
        num_classes=len(details.classes),
        signs=last_signs(clone / SIGNS_FILE),
        cas=cas.get("cas") if isinstance(cas, dict) else None,
        commit=ran[0],
        machine=ran[1],
    )


def classes_lost(classes: list[ClassDetails]) -> int:
    """How many classes hardly any sample is recognised as."""
    total = sum(each.recognised for each in classes)
    return sum(each.recognised < LOST * total / len(classes) for each in classes)


def last_signs(path: Path) -> str:
    """The names of the signs in the last row of the monitor's table; empty if it saw none."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows[-1]["signs"] if rows else ""


class Kept:
    """The results so far, for the code, the params and the recipes that they depend on."""

    def __init__(self, root: Path, kimg: float, with_cas: bool) -> None:
        trees = [git(root, "rev-parse", f"HEAD:./{name}").strip() for name in ("stages", "params.yaml")]
        key = hashlib.sha256(" ".join([*trees, f"{kimg:g}", str(with_cas)]).encode()).hexdigest()[:16]
        self.folder = root / ".gans" / key

    def path(self, recipe: str, settings: list[str], seed: int) -> Path:
        """Where the result of that run is kept. Another content of the recipe is another run."""
        return self.folder / f"{recipe}_{hashlib.sha256(' '.join(settings).encode()).hexdigest()[:8]}_{seed}.json"

    def read(self, path: Path) -> Result | None:
        """The result, if the run was finished; None if its record cannot be read or its picture is gone, too."""
        if path.with_suffix(".png").is_file():
            with contextlib.suppress(UserError, OSError):
                return read_record(path, Result)
        return None

    def write(self, path: Path, result: Result, strip: bytes) -> None:
        """Keep the result, and a picture of its samples beside it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".png").write_bytes(strip)
        write_json(path, result.model_dump())
