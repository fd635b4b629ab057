"""Typed contents of JSON files: what is written, and what is refused on the way back."""

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from stages.common.errors import UserError
from stages.common.records import Record, Undefined, read_record


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "expected a valid dictionary .*found "),
        ("null", "expected a valid dictionary .*found None"),
        ("{}", "inner: Field required;"),
        ('{"inner": [], "percent": [NaN]}', "is not valid JSON .the number 'NaN'."),
        ('{"inner": [], "percent": [], "x": 1}', "x: Extra inputs are not permitted, found 1"),
        ('{"inner": [], "percent": [], "extra": ' + json.dumps("\x1b[31m" * 10**5) + "}", "extra: .*"),
        ("{", "is not valid JSON"),
    ],
)
def test_a_file_with_other_content_is_refused_in_a_short_line(content: str, message: str, tmp_path: Path) -> None:
    class Short(Outer):
        extra: Annotated[str, Field(max_length=10)] = ""

    path = tmp_path / "stage" / "outer.json"
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=rf"outer\.json:? {message}.*dvc repro stage") as caught:
        read_record(path, Short)
    line = str(caught.value).replace(str(path), "")
    assert line.isprintable()
    assert len(line) < 400


def test_a_file_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "outer.json").write_text(json.dumps(OUTER.content()), encoding="utf-8")
    assert read_record(tmp_path / "outer.json", Outer) == OUTER
