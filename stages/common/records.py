"""Typed contents of the JSON files that stages write and read."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stages.common.shown import plain, shown


class Record(BaseModel):
    """The content of a JSON object: every key is a field, no silent conversion, no change once it is made.

    A field with a default is optional in the file: it is written only where it was given a value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True)

    def content(self) -> dict[str, Any]:
        """The object as plain values, by the keys of the file."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class Undefined(Record):
    """In the place of something that could not be computed: why."""

    undefined: str


def first_mistake(name: str, error: ValidationError) -> str:
    """The first thing that is wrong in a value of that name, in one line: the key, what was expected and found."""
    mistake = error.errors(include_url=False)[0]
    key = ".".join([name, *(plain(str(part)) for part in mistake["loc"])])
    found = "" if mistake["type"] == "missing" else f", found {shown(mistake['input'])}"
    return f"{key}: {plain(mistake['msg'])}{found}"
