"""Typed contents of the JSON files that stages write and read."""

from typing import Any

from pydantic import BaseModel, ConfigDict


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
