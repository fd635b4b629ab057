"""What the files of an evaluation say, on a handful of images."""

import dataclasses
import io

import pytest
import torch

from stages.metrics import report
from stages.metrics.registry import Comparison, Embedded, Score

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
    ],
)
def test_metric_entry(score: Score, floor: Score, ratio: float | None, undefined: str | None) -> None:
    assert report.metric_entry(score, floor) == {
        "value": score.value,
        "standard_error": score.standard_error,
        "floor": floor.value,
        "floor_standard_error": floor.standard_error,
        "ratio": ratio,
        "undefined": undefined,
    }


def test_summary_has_a_line_for_each_metric() -> None:
    entries = {
        "one": report.metric_entry(Score(3.14159), Score(1.0)),
        "two": report.metric_entry(Score(None, undefined="why"), Score(0.5)),
    }
    lines = [line.split() for line in report.summary(entries).splitlines()]
    assert lines == [["value", "floor", "ratio"], ["one", "3.142", "1", "3.142"], ["two", "-", "0.5", "-"]]


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


def test_figure_shows_percent_of_each_asked_class() -> None:
    left, right = report.confusion_figure(NAMES, SAMPLES, DIGITS).axes
    shown = {text.get_position(): text.get_text() for text in left.texts}  # (recognised, asked): percent
    assert shown == {(0, 0): "50.0", (1, 0): "50.0", (1, 1): "50.0", (2, 1): "50.0"}
    assert {text.get_text() for text in right.texts} == {"100.0"}


def test_figure_without_asked_classes_says_so() -> None:
    figure = report.confusion_figure(NAMES, UNLABELLED, DIGITS)
    figure.savefig(io.BytesIO(), format="png")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no class was asked for: the GAN is unconditional"]
