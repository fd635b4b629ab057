"""The line of plain words, for good and for bad evaluations."""

from typing import Any

import pytest

from stages.evaluation.verdict import in_plain_words, signs_of_copying, weakest_class


def entry(ratio: float | None = 1.0, **more: Any) -> dict[str, Any]:
    return {"value": 1.0, "floor": 1.0, "standard_error": 0.1, "ratio": ratio} | more


def one_class(name: str, accuracy: float | None, ratio: float | None) -> dict[str, Any]:
    figures = {"gan_test_accuracy": entry(value=accuracy), "fd_classifier": entry(ratio)}
    return {"class": name, "metrics": figures}


def details(**changes: Any) -> dict[str, Any]:
    """What measure makes of good samples of two classes, as far as words need it; changes: of metrics."""
    metrics = {
        "fd_classifier": entry(1.334),
        "precision": entry(0.9546),
        "recall": entry(0.936),
        "coverage": entry(0.955),
        "gan_test_accuracy": entry(value=0.9888),
        "class_imbalance": entry(value=0.0031, floor=0.02),
        "c_t": entry(None, value=0.8, floor=-1.5, standard_error=0.3),
        "near_training": entry(value=0.005, floor=0.0118),
    }
    return {
        "metrics": metrics | changes,
        "classes": [
            one_class("cat", 0.98, 1.9),
            one_class("dog", 0.97, 1.2),
        ],
        "class_tests": {"against_balanced": {"p_value": 0.9}},
        "memorisation": {
            "cells": [{"class": "cat", "value": 4.0, "floor": -1.0}, {"class": "dog", "value": None, "floor": None}],
        },
    }


def test_good_samples() -> None:
    assert in_plain_words(details()) == (
        "good: distance 1.33 times the floor, fidelity 95.5 % and diversity 93.6 % of what real digits reach, "
        "98.9 % recognised as asked, classes even, no sign of copying; not good: nothing; "
        "weakest class: dog (97 % recognised)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fd_classifier": entry(2.5)}, "not good: distance 2.50 times the floor; "),
        ({"precision": entry(0.85)}, "not good: fidelity 85 % of what real digits reach; "),
        ({"recall": entry(0.3)}, "not good: diversity 30 % of what real digits reach; "),
        ({"coverage": entry(0.89)}, "not good: diversity 89 % of what real digits reach; "),
        ({"precision": entry(0.5), "recall": entry(0.4)}, "not good: fidelity 50 % and diversity 40 % of what real "),
        (
            {"c_t": entry(None, value=-9.0, floor=-1.5, standard_error=0.3)},
            "not good: signs of copying (C_T -9.0); ",
        ),
        (
            {"c_t": entry(None, value=4.8, floor=-1.5, standard_error=0.3)},
            "not good: farther from the training digits than real digits are (C_T 4.8); ",
        ),
    ],
)
def test_each_aspect_may_be_bad(changes: dict[str, Any], words: str) -> None:
    assert words in in_plain_words(details(**changes))


def test_classes_far_from_their_own_floor_are_named_the_farthest_first() -> None:
    found = details()
    found["classes"][0]["metrics"]["fd_classifier"]["ratio"] = 2.1
    found["classes"][1]["metrics"]["fd_classifier"]["ratio"] = 3.0
    assert "not good: more than 2 times the floor of their own class: dog (3.00), cat (2.10); " in in_plain_words(found)


def test_uneven_classes_are_bad_if_neither_chance_nor_like_real_digits() -> None:
    uneven = details(class_imbalance=entry(value=0.1, floor=0.02))
    assert "classes even" in in_plain_words(uneven)  # by chance
    uneven["class_tests"]["against_balanced"]["p_value"] = 1e-9
    assert "not good: classes uneven (10 % would have to change)" in in_plain_words(uneven)
    uneven["metrics"]["class_imbalance"]["floor"] = 0.2
    assert "classes even" in in_plain_words(uneven)  # real digits are more so
    uneven["class_tests"]["against_balanced"] = {"undefined": "there is one class alone"}
    assert "even" not in in_plain_words(uneven)


def test_a_class_that_is_not_recognised_is_bad() -> None:
    found = details()
    found["classes"][0]["metrics"]["gan_test_accuracy"]["value"] = 0.2
    line = in_plain_words(found)
    assert line.endswith("not good: 98.9 % recognised as asked; weakest class: cat (20 % recognised)")


def test_without_asked_classes_the_farthest_from_its_floor_is_the_weakest() -> None:
    found = details(gan_test_accuracy=entry(None, value=None))
    for one in found["classes"]:
        one["metrics"]["gan_test_accuracy"]["value"] = None
    line = in_plain_words(found)
    assert line.endswith("; weakest class: cat (distance 1.90 times the floor)")
    assert "recognised" not in line
    for one in found["classes"]:
        one["metrics"]["fd_classifier"]["ratio"] = None
    assert weakest_class(found) is None
    assert "weakest" not in in_plain_words(found)


def test_what_is_undefined_is_passed_over() -> None:
    changes = dict.fromkeys(("fd_classifier", "precision", "recall", "coverage"), entry(None))
    nothing = entry(None, value=None, floor=None, standard_error=None)
    line = in_plain_words(details(**changes, c_t=nothing, near_training=nothing))
    assert line.startswith("good: 98.9 % recognised as asked, classes even; ")


@pytest.mark.parametrize(
    ("value", "floor", "signs"),
    [
        (-1.2, 0.5, 0),  # by chance
        (-1.4, 0.5, 1),
        (-2.7, -1.5, 0),  # real digits are near the training digits too
        (-2.9, -1.5, 1),
        (-1.4, None, 1),
    ],
)
def test_copying_is_far_below_both_0_and_the_floor(value: float, floor: float | None, signs: int) -> None:
    found = details(c_t=entry(None, value=value, floor=floor, standard_error=0.3))
    assert len(signs_of_copying(found)) == signs


def test_one_class_or_a_few_samples_can_be_copies() -> None:
    found = details()
    found["memorisation"]["cells"][0]["value"] = -6.0
    found["metrics"]["near_training"]["value"] = 0.03
    assert signs_of_copying(found) == [
        "class cat -6.0",
        "3 % very near to a training digit, real digits 1.18 %",
    ]
    assert "signs of copying (class cat -6.0, 3 % very near" in in_plain_words(found)
