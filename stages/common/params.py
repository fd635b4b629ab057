"""Schemas of params.yaml: each stage's section is checked in full before the stage does anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from stages.common.errors import UserError
from stages.common.shown import one_line, printable, shown

PARAMS_FILE = Path("params.yaml")
MOST_BYTES = 1_000_000
MOST_LINES = 20
"""Mistakes of one section that are listed; the rest is counted."""
MOST_BITS = 256
"""Of a whole number: Python cannot make a float of one of 1024 bits, nor a text of one of over 4,300 digits."""


class StageParams(BaseModel):
    """One section of params.yaml: no unknown key, no default, no silent conversion, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*", mode="after")  # before would make strict mode refuse the lists of JSON for tuples
    @classmethod
    def _are_of_use(cls, value: Any) -> Any:
        numbers = value if isinstance(value, list | tuple) else [value]
        if any(type(number) is int and number.bit_length() > MOST_BITS for number in numbers):
            raise ValueError(f"expected whole numbers of at most {MOST_BITS} bits")
        return value


class ContradictionError(ValueError):
    """Values of a section that do not go together: for each, its key within the section, and what is wrong."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {text}" for key, text in lines))
        self.lines = tuple(lines)


P = TypeVar("P", bound=StageParams)


def known_name(names: Callable[[], Iterable[str]]) -> AfterValidator:
    """A validator for a name that a registry holds; `names` is called at each check, and listed in the error."""

    def check(name: str) -> str:
        if name not in (known := sorted(names())):
            raise ValueError(f"expected one of {', '.join(known)}")
        return name

    return AfterValidator(check)


def read_params_file(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """All of params.yaml as plain values, read as YAML 1.2, as DVC does (1e-4 is a number).

    Raises UserError if the file is missing or too large, is not YAML, or is not a mapping of sections.
    """
    if not path.exists():
        raise UserError(f"{path} is missing; `git checkout {path}` brings back the committed one")
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path}: expected a file of at most {MOST_BYTES // 1000} kB")
    try:
        content = YAML(typ="safe", pure=True).load(path.read_bytes().decode("utf-8"))
    except OSError:
        raise
    except MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path} is not valid YAML: {one_line(error.problem or error)}{where}") from None
    except Exception as error:  # whatever the constructors of dates and numbers raise, or RecursionError
        raise UserError(f"{path} is not valid YAML: {one_line(error)}") from None
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
        mistakes = error.errors()
    except RecursionError:
        raise UserError(f"{path}: {stage}: expected values that do not hold themselves") from None
    lines = [f"{path}: {line}" for mistake in mistakes[:MOST_LINES] for line in _explain(stage, schema, mistake)]
    if len(mistakes) > MOST_LINES:
        lines.append(f"{path}: {stage}: {len(mistakes) - MOST_LINES} more mistakes")
    raise UserError("\n".join(lines))


def load_params(stage: str, schema: type[P], path: Path = PARAMS_FILE) -> P:
    """Read and check the section of `stage` in params.yaml."""
    return validate_section(read_params_file(path), stage, schema, path)


def _explain(stage: str, schema: type[StageParams], error: Any) -> list[str]:
    """The lines of one mistake that pydantic has found."""
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ContradictionError):
        return [f"{stage}.{key}: {text}" for key, text in cause.lines]
    return [_explain_key(stage, schema, error)]


def _explain_key(stage: str, schema: type[StageParams], error: Any) -> str:
    location = [part for part in error["loc"] if part != "[key]"]  # by which pydantic marks a wrong name of an entry
    parts = [stage, *(printable(str(part)) for part in location)]
    key, owner = ".".join(parts), _owner(schema, location)
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; {'.'.join(parts[:-1])} has the keys {', '.join(owner.model_fields)}"
    if error["type"] == "missing":
        return f"{key}: missing key; {owner.model_fields[location[-1]].description}"
    expected = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    return f"{key}: {expected}, found {shown(error['input'])}"


def _owner(schema: type[BaseModel], location: list[Any]) -> type[BaseModel]:
    """The model that the last key of a location belongs to: the schema itself, or a model within its fields."""
    owner = schema
    for part in location[:-1]:
        field = owner.model_fields.get(part) if isinstance(part, str) else None
        owner = next(_models(field.annotation), owner) if field else owner
    return owner


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of, such as those of the entries of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
