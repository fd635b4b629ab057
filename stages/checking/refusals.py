"""What is refused, as lines: `check` tells all of it at once."""

from collections.abc import Callable

from stages.common.errors import UserError


def refusals(attempt: Callable[[], object]) -> list[str]:
    """The message of the attempt's UserError, if it raises one."""
    try:
        attempt()
    except UserError as error:
        return [str(error)]
    return []
