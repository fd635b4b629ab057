"""A tool without arguments says what it is for, or refuses, in place of its work."""

import sys
from types import ModuleType

import pytest

from tools import deps, lessons, readme, repository, ring, tiny, torture
from tools.bench import count
from tools.plots_page import __main__ as plots_page

TOOLS: dict[str, tuple[ModuleType, str]] = {
    "bench.count": (count, "errors_in_one_line"),
    "deps": (deps, "report_errors"),
    "lessons": (lessons, "interruptible"),
    "plots_page": (plots_page, "interruptible"),
    "readme": (readme, "report_errors"),
    "repository": (repository, "git"),
    "ring": (ring, "report_errors"),
    "tiny": (tiny, "interruptible"),
}
"""Each with what its work begins with."""


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("more", 2)])
@pytest.mark.parametrize("name", TOOLS)
def test_no_argument_starts_the_work(
    name: str, argument: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool, begins = TOOLS[name]

    def begun(*_: object) -> None:
        raise AssertionError(f"{argument} starts the work")

    monkeypatch.setattr(tool, begins, begun)
    monkeypatch.setattr(sys, "argv", [name, argument])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == code
    printed = capsys.readouterr()
    assert f"usage: python -m tools.{name}" in printed.out + printed.err
    assert (tool.__doc__ or "").splitlines()[0] in printed.out or code


@pytest.mark.parametrize("kills", ["0", "-1"])
def test_no_kills_are_no_proof(kills: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torture, "torture", lambda _: [])
    monkeypatch.setattr(sys, "argv", ["torture", "--kills", kills])
    with pytest.raises(SystemExit) as ended:
        torture.main()
    assert ended.value.code == 2
    assert f"--kills: expected at least 1, found {kills}" in capsys.readouterr().err
