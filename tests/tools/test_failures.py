"""A tool that has run for hours ends in one line if the machine fails; a mistake in the code is still a traceback.

What a tool leaves behind while it runs, a folder or a process, goes when the tool is asked to end.
"""

import errno
import io
import signal
import sys
from types import ModuleType

import pytest

from stages.common.errors import UserError
from tools import checkpoint_cost, cost, damages, report, seeds, spread, tiny, torture, verify, wide
from tools.bench import __main__ as bench
from tools.bench import count
from tools.ci import pipeline
from tools.failures import errors_in_one_line
from tools.gans import __main__ as gans
from tools.plots_page import __main__ as plots_page
from tools.record import __main__ as record

TOOLS: dict[str, tuple[ModuleType, str, list[str]]] = {
    "bench": (bench, "bench", []),
    "checkpoint_cost": (checkpoint_cost, "measured_alone", ["1"]),
    "ci-pipeline": (pipeline, "run", []),
    "cost": (cost, "measure", ["track"]),
    "damages": (damages, "load_params", []),
    "gans": (gans, "measure", []),
    "plots_page": (plots_page, "fetched", []),
    "record": (record, "record", []),
    "report": (report, "report", []),
    "seeds": (seeds, "seeds", []),
    "spread": (spread, "spread", []),
    "torture": (torture, "torture", []),
    "try": (tiny, "run_in_group", []),
    "verify": (verify, "verify", []),
    "wide": (wide, "measure_all", ["10"]),
}
"""Each with the function that does the work, and its arguments."""


@pytest.mark.parametrize("name", TOOLS)
def test_a_full_disk_is_one_line_and_a_signal_ends_no_tool_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, function, arguments = TOOLS[name]
    handlers = []

    def full(*_: object, **__: object) -> None:
        handlers.append(signal.getsignal(signal.SIGTERM))
        raise OSError(errno.ENOSPC, "No space left on device", "docs/figures.csv")

    monkeypatch.setattr(tool, function, full)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit, match=rf"^{name}: the disk is full at docs/figures\.csv"):
        tool.main()
    assert len(handlers) == 1
    assert handlers[0] not in (signal.SIG_DFL, signal.SIG_IGN, signal.getsignal(signal.SIGTERM))


def test_what_leaves_nothing_behind_ends_in_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise UserError("params.yaml is missing")

    monkeypatch.setattr(count, "params_with", missing)
    with pytest.raises(SystemExit, match=r"^count: params\.yaml is missing$"):
        count.main()


def test_an_error_of_the_user_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^tool: expected 3, found 2$"), errors_in_one_line("tool"):
        raise UserError("expected 3, found 2")


def test_a_mistake_in_the_code_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), errors_in_one_line("tool"):
        raise ZeroDivisionError


def test_a_name_that_the_terminal_s_encoding_lacks_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii"))
    with errors_in_one_line("tool"):
        print("running größe again", flush=True)
    assert printed.getvalue().split() == [b"running", b"gr??e", b"again"]
