"""How the samples lie to the training digits, beside validation digits (the floor) and test digits."""

from pydantic import Field
from torch import Tensor

from stages.common.records import Record, Undefined
from stages.evaluation.beside_floor import FEW_IN_HALVES
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.evaluation.registry import NO_TRAINING
from stages.metrics.memorisation import LEAST_IN_CELL, percentiles

PERCENTILES = (0, 0.1, 1, 10, 50, 90, 100)
FEW_IN_CELL = f"fewer than {LEAST_IN_CELL} images of this class on one side"


class DistancePercentiles(Record):
    """Percentiles of the distances to the nearest training digit, in features."""

    percent: list[int | float]
    samples: list[float]
    floor: list[float]
    test: list[float]


class Copies(Record):
    """How many images lie at distance 0 from a training digit."""

    samples: int
    floor: int
    test: int


class Cell(Record):
    """The statistic of three_sample_test in one recognised class, for samples, floor and halves, or why it has none."""

    name: str = Field(alias="class")
    value: float | None
    floor: float | None
    halves: float | None
    undefined: dict[str, str]


class Memorisation(Record):
    """What the details say of copies."""

    distance_percentiles: DistancePercentiles
    copies: Copies
    cells: list[Cell]


def memorisation(names: list[str], comparisons: Comparisons) -> Memorisation | Undefined:
    """The distances of all images and the cells by class; undefined if the training digits were not looked at."""
    samples, floor = comparisons.samples.candidate, comparisons.floor.candidate
    test = comparisons.samples.reference
    if any(each.closeness is None for each in (samples, floor, test)):
        return Undefined(undefined=NO_TRAINING)
    sets = {"samples": samples.known_closeness, "floor": floor.known_closeness, "test": test.known_closeness}
    distances = {name: percentiles(near.distances, PERCENTILES) for name, near in sets.items()}
    return Memorisation(
        distance_percentiles=DistancePercentiles(percent=list(PERCENTILES), **distances),
        copies=Copies(**{name: _at_distance_0(near.nearest) for name, near in sets.items()}),
        cells=_cells(names, comparisons),
    )


def _at_distance_0(nearest: Tensor) -> int:
    return int((nearest == 0).sum())


def _cells(names: list[str], comparisons: Comparisons) -> list[Cell]:
    sets = {"value": comparisons.samples, "floor": comparisons.floor, "halves": comparisons.halves}
    cells = []
    for label, name in enumerate(names):
        values = {key: _statistic(comparison, label) for key, comparison in sets.items()}
        undefined = {key: FEW_IN_CELL if sets[key] else FEW_IN_HALVES for key, value in values.items() if value is None}
        cells.append(Cell(name=name, **values, undefined=undefined))
    return cells


def _statistic(comparison: Comparison | None, label: int) -> float | None:
    test = comparison.copy_test if comparison else None
    return test.cells[label] if test else None
