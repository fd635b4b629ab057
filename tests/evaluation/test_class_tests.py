"""The chi-square tests of an evaluation: which sets each compares, and why there may be none."""

import dataclasses

import pytest
import torch

from stages.evaluation.class_tests import class_tests
from stages.evaluation.comparisons import Comparison, Comparisons
from stages.evaluation.embedded import Embedded

NAMES = ["cat", "dog", "owl"]
SAMPLES = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 1, 2]), labels=torch.tensor([0, 0, 1, 1]))
DIGITS = Embedded(torch.zeros(4, 2), recognised=torch.tensor([0, 1, 2, 2]), labels=torch.tensor([0, 1, 2, 2]))


def test_class_tests_compare_with_equal_shares_and_with_the_test_digits() -> None:
    samples, floor = (Comparison(DIGITS, each, len(NAMES), k=1) for each in (SAMPLES, DIGITS))
    actual = class_tests(Comparisons(samples, floor, floor)).content()
    tests = {"against_balanced", "against_test"}
    assert actual.keys() == {prefix + test for prefix in ("", "floor_", "halves_") for test in tests}
    assert actual["against_balanced"]["statistic"] == pytest.approx(0.5)  # 1, 2, 1 of 4
    assert actual["floor_against_test"] == {"statistic": 0, "degrees": 2, "p_value": 1}
    assert actual["halves_against_test"] == actual["floor_against_test"]


def test_class_tests_that_cannot_be_say_why() -> None:
    one_class = Comparison(*2 * (dataclasses.replace(DIGITS, recognised=torch.zeros(4, dtype=torch.int64)),), 1, k=1)
    actual = class_tests(Comparisons(one_class, one_class, None)).content()
    assert actual["against_test"] == actual["floor_against_balanced"] == {"undefined": "there is one class alone"}
    assert actual["halves_against_test"] == {"undefined": "too few test images to halve them"}
