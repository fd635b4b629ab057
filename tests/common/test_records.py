"""Typed contents of JSON files: what is written, and what is refused on the way back."""

from typing import Any

import pytest
from pydantic import Field, ValidationError

from stages.common.records import Record, Undefined


class Inner(Record):
    name: str = Field(alias="class")
    value: float | None


class Outer(Record):
    inner: list[Inner | Undefined]
    percent: list[int | float]
    extra: str = ""


OUTER = Outer(inner=[Inner(name="7", value=None), Undefined(undefined="too few")], percent=[0, 0.1])
CONTENT: dict[str, Any] = {"inner": [{"class": "7", "value": None}, {"undefined": "too few"}], "percent": [0, 0.1]}


def test_content_has_the_keys_of_the_file_and_no_field_that_was_not_set() -> None:
    assert OUTER.content() == CONTENT
    assert str(OUTER.content()["percent"]) == "[0, 0.1]"  # whole numbers stay whole
    assert Outer(**dict(OUTER) | {"extra": ""}).content() == CONTENT | {"extra": ""}


def test_content_is_read_back() -> None:
    assert Outer.model_validate(CONTENT) == OUTER


@pytest.mark.parametrize(
    "change", [{"other": 1}, {"percent": ["0"]}, {"percent": [float("nan")]}, {"inner": [{"class": "7"}]}]
)
def test_other_content_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(CONTENT | change)
