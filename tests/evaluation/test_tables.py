"""What the files of an evaluation say, on a handful of images."""

import dataclasses
from typing import Any

import pytest
import torch

from stages.common import draws
from stages.evaluation import tables
from stages.evaluation.registry import Comparison, Embedded
from stages.metrics.memorisation import closeness

NAMES = ["cat", "dog", "owl"]
SAMPLES = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 1, 2]), labels=torch.tensor([0, 0, 1, 1]))
DIGITS = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 2, 2]), labels=torch.tensor([0, 1, 2, 2]))
UNLABELLED = dataclasses.replace(SAMPLES, labels=None)


def test_summary_has_a_line_for_each_metric() -> None:
    entries: dict[str, dict[str, Any]] = {
        "one": {"value": 3.14159, "floor": 1.0, "ratio": 3.14159, "ratio_interval": [2.5, None], "halves": None},
        "two": {"value": None, "floor": 0.5, "ratio": None, "ratio_interval": None, "halves": 0.25},
    }
    lines = [line.split() for line in tables.summary(entries).splitlines()]
    assert lines == [
        ["value", "floor", "ratio", "from", "to", "halves"],
        ["one", "3.142", "1", "3.142", "2.5", "-", "-"],
        ["two", "-", "0.5", "-", "-", "-", "0.25"],
    ]


def test_class_table() -> None:
    assert tables.class_table(NAMES, SAMPLES, DIGITS).to_dict("list") == {
        "class": NAMES,
        "asked": [2, 2, 0],
        "recognised": [1, 2, 1],
        "validation_asked": [1, 1, 2],
        "validation_recognised": [1, 1, 2],
    }
    assert tables.class_table(NAMES, UNLABELLED, DIGITS)["asked"].tolist() == [0, 0, 0]


def test_confusion_has_a_row_for_each_sample() -> None:
    rows = tables.confusion_rows(NAMES, SAMPLES)
    assert rows.to_dict("list") == {"asked": ["cat", "cat", "dog", "dog"], "recognised": ["cat", "dog", "dog", "owl"]}
    assert list(tables.confusion_rows(NAMES, UNLABELLED).columns) == ["asked", "recognised"]
    assert tables.confusion_rows(NAMES, UNLABELLED).empty


def test_class_tests_compare_with_equal_shares_and_with_the_test_digits() -> None:
    samples, floor = (Comparison(DIGITS, one, len(NAMES), k=1) for one in (SAMPLES, DIGITS))
    found = tables.class_tests(samples, floor, floor)
    tests = {"against_balanced", "against_test"}
    assert found.keys() == {prefix + test for prefix in ("", "floor_", "halves_") for test in tests}
    assert found["against_balanced"]["statistic"] == pytest.approx(0.5)  # 1, 2, 1 of 4
    assert found["floor_against_test"] == {"statistic": 0, "degrees": 2, "p_value": 1}
    assert found["halves_against_test"] == found["floor_against_test"]


def test_class_tests_that_cannot_be_say_why() -> None:
    one_class = Comparison(*2 * (dataclasses.replace(DIGITS, recognised=torch.zeros(4, dtype=torch.int64)),), 1, k=1)
    found = tables.class_tests(one_class, one_class, None)
    assert found["against_test"] == found["floor_against_balanced"] == {"undefined": "there is one class alone"}
    assert found["halves_against_test"] == {"undefined": "too few test digits to halve them"}


def beside_training() -> tuple[Comparison, Comparison]:
    """Ten samples of which two are training digits, forty digits elsewhere."""
    training = draws.normal(0, "training", 0, (60, 3))
    sets = [
        torch.cat([training[:2], draws.normal(0, "samples", 0, (8, 3))]),
        draws.normal(0, "validation", 0, (10, 3)),
        draws.normal(0, "test", 0, (40, 3)),
    ]
    samples, real, test = (
        Embedded(one, torch.arange(len(one)) % 3, None, near)
        for one, near in zip(sets, closeness(training, *sets), strict=True)
    )
    return Comparison(test, samples, 3, k=1), Comparison(test, real, 3, k=1)


def test_memorisation_tells_distances_and_what_is_near() -> None:
    samples, floor = beside_training()
    found = tables.memorisation_details(NAMES, samples, floor, None)
    assert found["copies"] == {"samples": 2, "floor": 0, "test": 0}
    assert samples.reference.closeness is not None
    distances = samples.reference.closeness.distances
    percentiles = found["distance_percentiles"]
    assert percentiles["percent"] == [0, 0.1, 1, 10, 50, 90, 100]
    for place, expected in ((0, distances.min()), (4, distances.sort().values[20]), (6, distances.max())):
        assert percentiles["test"][place] == expected
    assert percentiles["samples"][0] == 0 < percentiles["floor"][0]
    few = "fewer than 8 images of this class on one side"
    nothing = {"value": None, "floor": None, "halves": None}
    undefined = {"value": few, "floor": few, "halves": "too few test digits to halve them"}
    assert found["cells"] == [{"class": name, **nothing, "undefined": undefined} for name in NAMES]  # three of each


def test_cells_stand_beside_real_digits_and_halves() -> None:
    samples, floor = beside_training()
    whole = dataclasses.replace(floor.reference, recognised=torch.zeros(40, dtype=torch.int64))
    alike = Comparison(whole, whole, 3, k=1)
    cells = tables.memorisation_details(NAMES, samples, floor, alike)["cells"]
    assert cells[0]["halves"] == 0  # against itself
    assert "halves" not in cells[0]["undefined"]


def test_memorisation_without_training_digits_says_so() -> None:
    comparison = Comparison(DIGITS, SAMPLES, len(NAMES), k=1)
    found = tables.memorisation_details(NAMES, comparison, comparison, None)
    assert found == {"undefined": "not compared with the training digits"}
