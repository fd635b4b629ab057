"""When what judges samples can judge, and the bar in dataset.json."""

import json
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.evaluation.judge import read_least_accuracy, why_no_judgement


@pytest.mark.parametrize(("accuracy", "judges"), [(0.12, False), (0.97 - 1e-9, False), (0.97, True), (1.0, True)])
def test_the_bar_itself_is_enough(accuracy: float, judges: bool) -> None:
    assert (why_no_judgement("the classifier", accuracy, 0.97, "test images") is None) is judges


@pytest.mark.parametrize(
    ("accuracy", "least", "shares"),
    [(0.1206, 0.97, ("12.06 %", "97 %")), (0.96999, 0.97, ("96.99 %", "97 %")), (0.0, 0.885, ("0 %", "88.5 %"))],
)
def test_what_is_below_the_bar_is_never_shown_as_the_bar(
    accuracy: float, least: float, shares: tuple[str, str]
) -> None:
    words = f"no judgement: it recognises {shares[0]} of the digits, a judge needs {shares[1]}"
    assert why_no_judgement("it", accuracy, least, "digits") == words


def test_the_bar_is_read_from_the_description_of_the_dataset(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"name": "x", "least_accuracy": 0.88}))
    assert read_least_accuracy(path) == 0.88


@pytest.mark.parametrize(
    "content", [{}, [], {"least_accuracy": None}, {"least_accuracy": 1.5}, {"least_accuracy": "1"}]
)
def test_a_description_without_a_bar_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"dataset\.json: least_accuracy: expected a number from 0.0 to 1.0, found"):
        read_least_accuracy(path)
