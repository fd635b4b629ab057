"""Typed contents of the JSON files that stages write and read."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.common.errors import UserError
from stages.common.files import read_json, remedy
from stages.common.shown import printable, shown


class Record(BaseModel):
    """The content of a JSON object: every key is a field, no silent conversion, no change once it is made.

    A field with a default is optional in the file: it is written only where it was given a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)

    def content(self) -> dict[str, Any]:
        """The object as plain values, by the keys of the file."""
        return self.model_dump(by_alias=True, exclude_unset=True)


R = TypeVar("R", bound=Record)


class Undefined(Record):
    """In the place of something that could not be computed: why."""

    undefined: str


def read_record(path: Path, schema: type[R]) -> R:
    """The content of a JSON file that a stage wrote. Raises UserError, naming file and key, if it is anything else."""
    try:
        return schema.model_validate(read_json(path))
    except ValidationError as error:
        raise UserError(f"{path}: {first_mistake('', error)}; {remedy(path)}") from None


def first_mistake(name: str, error: ValidationError) -> str:
    """The first thing that is wrong in a value of that name, in one line: the key, what was expected and found."""
    mistake = error.errors(include_url=False)[0]
    key = printable(".".join(map(str, ([name] if name else []) + list(mistake["loc"]))))
    expected = mistake["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    # What is said of a whole object names its values; to show it would hide them.
    is_whole = mistake["type"] == "missing" or (mistake["type"] == "value_error" and isinstance(mistake["input"], dict))
    actual = "" if is_whole else f", found {shown(mistake['input'])}"
    return f"{f'{key}: ' if key else ''}{printable(expected)}{actual}"
