"""What the files of an evaluation say, on a handful of images."""

import dataclasses
from typing import Any

import torch

from stages.common.records import Undefined
from stages.evaluation import tables
from stages.evaluation.beside_floor import MetricEntry
from stages.evaluation.embedded import Embedded
from stages.evaluation.papers import PaperEntry

NAMES = ["cat", "dog", "owl"]
SAMPLES = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 1, 2]), labels=torch.tensor([0, 0, 1, 1]))
DIGITS = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 2, 2]), labels=torch.tensor([0, 1, 2, 2]))
UNLABELLED = dataclasses.replace(SAMPLES, labels=None)


def test_summary_has_a_line_for_each_metric() -> None:
    known: dict[str, Any] = {"standard_error": None, "floor_standard_error": None, "undefined": {}}
    figures: dict[str, dict[str, Any]] = {
        "one": {"value": 3.14159, "floor": 1.0, "ratio": 3.14159, "ratio_interval": [2.5, None], "halves": None},
        "two": {"value": None, "floor": 0.5, "ratio": None, "ratio_interval": None, "halves": 0.25},
    }
    entries = {name: MetricEntry(**known, **figure) for name, figure in figures.items()}
    paper = PaperEntry(source="A paper", num_images=1, reference=[], floor_of=[], fid=5.0, floor=1.0)
    papers: dict[str, PaperEntry | Undefined] = {"a": paper, "b": Undefined(undefined="too few")}
    lines = [line.split() for line in tables.summary(entries, papers).splitlines()]
    assert lines == [
        ["value", "floor", "ratio", "from", "to", "halves"],
        ["one", "3.142", "1", "3.142", "2.5", "-", "-"],
        ["two", "-", "0.5", "-", "-", "-", "0.25"],
        ["a:", "FID", "5,", "real", "images", "1", "(A", "paper)"],
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
