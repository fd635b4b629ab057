"""JSON as this pipeline writes it, from files that anyone may have written."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from stages.common.shown import one_line, shown

MOST_DEPTH = 32
"""Levels of lists and objects; what the pipeline writes has at most eight."""
MOST_DIGITS = 100
"""Of a whole number: longer ones are no numbers of anything, and slow to print."""


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError, in one line, for anything that the pipeline never writes.

    That is broken JSON, deep nesting, a key twice, NaN and infinite or endless numbers, and texts that are no Unicode.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_finite,
            parse_int=_whole,
        )
        _require_flat(value)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text with half of a surrogate pair") from None
    except RecursionError:
        raise ValueError(f"more than {MOST_DEPTH} levels of lists and objects") from None
    except ValueError as error:
        raise ValueError(one_line(error)) from None
    return value


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {shown(key)} twice")
        result[key] = value
    return result


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"the number {shown(text)}")


def _finite(text: str) -> float:
    return number if math.isfinite(number := float(text)) else _refuse_number(text)


def _whole(text: str) -> int:
    return int(text) if len(text) <= MOST_DIGITS else _refuse_number(text)


def _require_flat(value: Any) -> None:
    """Raise RecursionError if lists and objects lie in each other more than MOST_DEPTH deep."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        parents = [parent for parent in level if isinstance(parent, list | dict)]
        if not parents:
            return
        level = [child for parent in parents for child in (parent.values() if isinstance(parent, dict) else parent)]
    raise RecursionError
