"""What the files of an evaluation say, on a handful of images."""

import dataclasses

import pytest
import torch

from stages.common import draws
from stages.metrics import report
from stages.metrics.memorisation import closeness
from stages.metrics.registry import Comparison, Embedded, Score
from stages.metrics.resampling import Influences, Resampler

NAMES = ["cat", "dog", "owl"]
SAMPLES = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 1, 2]), labels=torch.tensor([0, 0, 1, 1]))
DIGITS = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 2, 2]), labels=torch.tensor([0, 1, 2, 2]))
UNLABELLED = dataclasses.replace(SAMPLES, labels=None)


@pytest.mark.parametrize(
    ("score", "floor", "ratio", "undefined"),
    [
        (Score(3.0, 0.1), Score(1.5, 0.2), 2.0, None),
        (Score(0.0), Score(1.5), 0.0, None),
        (Score(3.0), Score(0.0), None, "no ratio to a floor that is not above 0"),
        (Score(3.0), Score(-1.0), None, "no ratio to a floor that is not above 0"),
        (Score(None, undefined="why"), Score(1.0), None, "why"),
        (Score(3.0, no_ratio="because"), Score(1.5), None, "because"),
    ],
)
def test_metric_entry(score: Score, floor: Score, ratio: float | None, undefined: str | None) -> None:
    assert report.metric_entry(score, floor) == {
        "value": score.value,
        "standard_error": score.standard_error,
        "floor": floor.value,
        "floor_standard_error": floor.standard_error,
        "ratio": ratio,
        "ratio_interval": None,
        "halves": None,
        "undefined": undefined,
    }


def test_metric_entry_with_influences_and_halves() -> None:
    score, floor = (
        Score(value, influences=Influences(candidate=torch.zeros(5, dtype=torch.float64))) for value in (3.0, 1.5)
    )
    entry = report.metric_entry(score, floor, Score(1.25), Resampler(1))
    assert (entry["ratio_interval"], entry["halves"]) == ([2.0, 2.0], 1.25)
    undefined = report.metric_entry(score, Score(0.0, influences=floor.influences), None, Resampler(1))
    assert (undefined["ratio"], undefined["ratio_interval"]) == (None, None)


def test_summary_has_a_line_for_each_metric() -> None:
    entries = {
        "one": report.metric_entry(Score(3.14159), Score(1.0)) | {"ratio_interval": [2.5, None]},
        "two": report.metric_entry(Score(None, undefined="why"), Score(0.5), Score(0.25)),
    }
    lines = [line.split() for line in report.summary(entries).splitlines()]
    assert lines == [
        ["value", "floor", "ratio", "from", "to", "halves"],
        ["one", "3.142", "1", "3.142", "2.5", "-", "-"],
        ["two", "-", "0.5", "-", "-", "-", "0.25"],
    ]


def test_class_table() -> None:
    assert report.class_table(NAMES, SAMPLES, DIGITS).to_dict("list") == {
        "class": NAMES,
        "asked": [2, 2, 0],
        "recognised": [1, 2, 1],
        "validation_asked": [1, 1, 2],
        "validation_recognised": [1, 1, 2],
    }
    assert report.class_table(NAMES, UNLABELLED, DIGITS)["asked"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("samples", "accuracies"), [(SAMPLES, [0.5, 0.5, None]), (UNLABELLED, [None, None, None])])
def test_class_details(samples: Embedded, accuracies: list[float | None]) -> None:
    details = report.class_details(NAMES, Comparison(DIGITS, samples, len(NAMES), k=1))
    assert [one["class"] for one in details] == NAMES
    assert [one["recognised"] for one in details] == [1, 2, 1]
    assert [one["accuracy"] for one in details] == accuracies


def test_confusion_has_a_row_for_each_sample() -> None:
    rows = report.confusion_rows(NAMES, SAMPLES)
    assert rows.to_dict("list") == {"asked": ["cat", "cat", "dog", "dog"], "recognised": ["cat", "dog", "dog", "owl"]}
    assert list(report.confusion_rows(NAMES, UNLABELLED).columns) == ["asked", "recognised"]
    assert report.confusion_rows(NAMES, UNLABELLED).empty


def test_class_tests_compare_with_equal_shares_and_with_the_test_digits() -> None:
    samples, floor = (Comparison(DIGITS, one, len(NAMES), k=1) for one in (SAMPLES, DIGITS))
    found = report.class_tests(samples, floor)
    assert found.keys() == {"against_balanced", "against_test", "floor_against_balanced", "floor_against_test"}
    assert found["against_balanced"]["statistic"] == pytest.approx(0.5)  # 1, 2, 1 of 4
    assert found["floor_against_test"] == {"statistic": 0, "degrees": 2, "p_value": 1}
    one_class = Comparison(*2 * (dataclasses.replace(DIGITS, recognised=torch.zeros(4, dtype=torch.int64)),), 1, k=1)
    assert set(report.class_tests(one_class, one_class).values()) == {None}


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
    found = report.memorisation_details(NAMES, samples, floor)
    assert found["copies"] == {"samples": 2, "floor": 0}
    assert samples.reference.closeness is not None
    distances = samples.reference.closeness.distances
    percentiles = found["distance_percentiles"]
    assert percentiles["percent"] == [0, 0.1, 1, 10, 50, 90, 100]
    for place, expected in ((0, distances.min()), (4, distances.sort().values[20]), (6, distances.max())):
        assert percentiles["test"][place] == expected
    assert percentiles["samples"][0] == 0 < percentiles["floor"][0]
    assert found["near"] == {"value": 0.2, "floor": found["near"]["floor"], "test": 0}
    assert found["cells"] == [{"class": name, "value": None, "floor": None} for name in NAMES]  # three of each: too few


def test_memorisation_without_training_digits_says_so() -> None:
    comparison = Comparison(DIGITS, SAMPLES, len(NAMES), k=1)
    found = report.memorisation_details(NAMES, comparison, comparison)
    assert found == {"undefined": "not compared with the training digits"}
