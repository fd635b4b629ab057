"""pip follows the user's settings of where packages come from, and none of those of what is installed or where."""

import os

import pytest

from tools.install import environment

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
