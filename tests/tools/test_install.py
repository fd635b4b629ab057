"""pip follows the user's settings of where packages come from, and none of those of what is installed or where."""

import os
import sys
from pathlib import Path

import pytest

from tools.install import environment, user_settings

LISTED = """\
:env:.cert='/etc/own.pem'
:env:.target='/elsewhere'
:env:.user='1'
global.cert='/etc/ssl.pem'
global.extra-index-url='https://one.example/simple\\nhttps://two.example/simple'
global.index-url='https://user:pass%20word@index.example/simple'
global.no-deps='true'
install.find-links='/wheels'
install.prefix='/elsewhere'
list.format='columns'
"""


def test_only_where_packages_come_from_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    result = environment(LISTED)
    assert {name: value for name, value in result.items() if name.startswith("PIP_")} == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CERT": "/etc/own.pem",  # the variable goes before the file
        "PIP_EXTRA_INDEX_URL": "https://one.example/simple\nhttps://two.example/simple",
        "PIP_INDEX_URL": "https://user:pass%20word@index.example/simple",
        "PIP_FIND_LINKS": "/wheels",
    }
    assert result["HTTPS_PROXY"] == "http://proxy.example"


def test_lines_that_are_no_settings_are_passed_over() -> None:
    assert "PIP_INDEX_URL" not in environment("WARNING: a new release of pip is available\n\nindex-url\n")


PIP = [sys.executable, "-I", "-m", "pip"]
QUIET = {
    "variable": ("", {"PIP_QUIET": "3"}),
    "file": ("quiet = 3\n", {}),
    "no file, no variables": ("", {"PIP_ISOLATED": "1"}),
    "another Python": ("", {"PIP_PYTHON": "/nowhere"}),
    "verbose": ("verbose = 2\n", {"PIP_VERBOSE": "1"}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("lines", "variables"), QUIET.values(), ids=QUIET.keys())
def test_the_index_is_found_however_the_user_has_set_pip(
    lines: str, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = https://index.example/simple\n{lines}", encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": str(settings), "PIP_TRUSTED_HOST": "index.example", **variables}.items():
        monkeypatch.setenv(name, value)
    kept = environment(user_settings(PIP))
    assert kept["PIP_INDEX_URL"] == "https://index.example/simple"
    assert kept["PIP_TRUSTED_HOST"] == "index.example"
    assert not {"PIP_QUIET", "PIP_ISOLATED", "PIP_PYTHON", "PIP_VERBOSE"} & kept.keys()


@pytest.mark.slow
def test_a_setting_that_pip_cannot_read_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    environment(user_settings(PIP))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("install: ")
    assert "'soon'" in line
