"""stdin, stdout and stderr that are closed, full, or read by nobody end no run; what can be shown is shown."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common import streams

ROOT = Path(__file__).parents[2]
CODE = """
import os, sys
sys.path.insert(0, {root!r})
sys.modules["stages"] = type(sys)("stages")  # without torch: the module alone
sys.modules["stages"].__path__ = [{root!r} + "/stages"]
from stages.common.streams import keep_printing, open_standard_streams
open_standard_streams()
keep_printing()
for _ in range(3):
    print("x" * 100_000, flush=True)
    print("y" * 100_000, file=sys.stderr, flush=True)
with open({file!r}, "w") as file:
    print(file.fileno(), sys.stdin.read(1) == "", sys.stderr.isatty(), file=file)
"""


@pytest.mark.skipif(os.name != "posix", reason="redirections of a POSIX shell")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "redirection", ["<&- >&- 2>&-", ">&-", "2>&-", "<&-", ">/dev/full", ">/dev/full 2>&1", "| true", "2>&1 | true"]
)
def test_output_that_nobody_takes_ends_nothing(redirection: str, unbuffered: str, tmp_path: Path) -> None:
    """The next file that is opened has none of the streams' numbers."""
    code = tmp_path / "code.py"
    code.write_text(CODE.format(root=str(ROOT), file=str(tmp_path / "out")), encoding="utf-8")
    script = f'{{ "$0" "$1"; echo $? > "$2"; }} {redirection}'
    shell = ["sh", "-c", script, sys.executable, str(code), str(tmp_path / "code")]
    variables = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, env=variables, check=False)
    assert (tmp_path / "code").read_text(encoding="utf-8").strip() == "0"
    number, *rest = (tmp_path / "out").read_text(encoding="utf-8").split()
    assert int(number) > 2
    assert rest == ["True", "False"]


def test_what_is_written_arrives(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(CODE.format(root=str(ROOT), file=str(tmp_path / "out")), encoding="utf-8")
    command = [sys.executable, str(code)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert done.stdout == ("x" * 100_000 + "\n") * 3
    assert done.stderr == ("y" * 100_000 + "\n") * 3


def test_streams_that_something_else_has_put_in_place_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", replaced)
    streams.keep_printing()
    assert sys.stdout is replaced
    print("あ", flush=True)
    assert replaced.buffer.getvalue() == b"?\n"


class Console(io.RawIOBase):
    """As Windows' own: text of the stream goes to the system by another way than bytes of its file."""

    def fileno(self) -> int:
        return 1

    def writable(self) -> bool:
        return True


def test_a_console_of_windows_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.TextIOWrapper(io.BufferedWriter(Console()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "__stdout__", console)
    streams.keep_printing()
    assert sys.stdout is console
    assert console.errors == "replace"


def test_calling_it_twice_changes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w", encoding="ascii") as file:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", file)
        monkeypatch.setattr(sys, "__stdout__", file)
        streams.keep_printing()
        first = sys.stdout
        assert first is not file
        streams.keep_printing()
        assert sys.stdout is first
