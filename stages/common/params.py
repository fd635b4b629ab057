"""Schemas of params.yaml: each stage's section is checked in full before the stage does anything."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError

PARAMS_FILE = Path("params.yaml")


class StageParams(BaseModel):
    """One section of params.yaml: no unknown key, no default, no silent conversion, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


P = TypeVar("P", bound=StageParams)


def known_name(names: Callable[[], Iterable[str]]) -> AfterValidator:
    """A validator for a name that a registry holds; `names` is asked at each check, and listed in the error."""

    def check(name: str) -> str:
        if name not in (found := sorted(names())):
            raise ValueError(f"expected one of {', '.join(found)}")
        return name

    return AfterValidator(check)


def read_params_file(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """All of params.yaml as plain values, read as YAML 1.2, as DVC does (1e-4 is a number).

    Raises UserError if the file is missing, is no YAML, or is no mapping of sections.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `git checkout {path}` brings back the committed one") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected sections with keys, found {type(content).__name__}")
    return content


def validate_section(content: dict[str, Any], stage: str, schema: type[P], path: Path = PARAMS_FILE) -> P:
    """The section of `stage` as its schema. Raises UserError with a line for each key that is wrong."""
    if stage not in content:
        raise UserError(f"{path}: section {stage} is missing; it needs the keys {', '.join(schema.model_fields)}")
    try:
        return schema.model_validate(content[stage])
    except ValidationError as error:
        raise UserError("\n".join(f"{path}: {_explain(stage, schema, one)}" for one in error.errors())) from None


def load_params(stage: str, schema: type[P], path: Path = PARAMS_FILE) -> P:
    """Read and check the section of `stage` in params.yaml."""
    return validate_section(read_params_file(path), stage, schema, path)


def _explain(stage: str, schema: type[StageParams], error: Any) -> str:
    key = ".".join([stage, *(str(part) for part in error["loc"])])
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; {stage} has the keys {', '.join(schema.model_fields)}"
    if error["type"] == "missing":
        return f"{key}: missing key; {schema.model_fields[error['loc'][0]].description}"
    expected = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{key}: {expected}, found {error['input']!r}"
