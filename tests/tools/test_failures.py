"""A tool that has run for hours ends in one line if the machine fails; a mistake in the code is still a traceback."""

import errno
import sys
from types import ModuleType

import pytest

from stages.common.errors import UserError
from tools import seeds, spread, verify
from tools.bench import __main__ as bench
from tools.failures import errors_in_one_line
from tools.record import __main__ as record

TOOLS = {"bench": bench, "record": record, "seeds": seeds, "spread": spread, "verify": verify}


@pytest.mark.parametrize("name", TOOLS)
def test_a_full_disk_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tool has a function of its own name, which does the work."""
    tool: ModuleType = TOOLS[name]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "docs/figures.csv")

    monkeypatch.setattr(tool, name, full)
    monkeypatch.setattr(sys, "argv", [name])
    with pytest.raises(SystemExit, match=rf"^{name}: the disk is full at docs/figures\.csv$"):
        tool.main()


def test_an_error_of_the_user_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^tool: expected 3, found 2$"), errors_in_one_line("tool"):
        raise UserError("expected 3, found 2")


def test_a_mistake_in_the_code_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), errors_in_one_line("tool"):
        raise ZeroDivisionError
