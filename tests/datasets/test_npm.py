"""Each kind of source against what it meets: a real web server, real folders, a stand-in for the npm client."""

import errno
import gzip
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.datasets.sources import mirror as sources
from stages.datasets.sources.mirror import FileError, Folder, Mirror, NpmPackage, Source, SourceError, named_source
from tests.web_server import Answer, Cut, Hang, WebServer

NAME = "labels-idx1-ubyte"
CONTENT = b"\x00\x00\x08\x01\x00\x00\x00\x02" + bytes(range(256)) * 20
PACKED = gzip.compress(CONTENT)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BACKOFF_S", 0.0)
    monkeypatch.setenv("GAN_PROGRESS", "0")


def fetch(source: Source, name: str = NAME) -> bytes:
    with source.open() as get:
        return get(name)


@pytest.mark.parametrize("name", [NAME, f"{NAME}.gz"])
@pytest.mark.parametrize("content", [CONTENT, PACKED], ids=["plain", "gzip"])
def test_folder_and_mirror(tmp_path: Path, web_server: WebServer, name: str, content: bytes) -> None:
    # The bytes decide whether a file is compressed: some servers unpack .gz files on the way.
    (tmp_path / name).write_bytes(content)
    web_server.answers[name] = [content]
    assert fetch(Folder(tmp_path)) == CONTENT
    assert fetch(Mirror(web_server.url)) == CONTENT
    assert fetch(Mirror(web_server.url.rstrip("/"))) == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_mirror_is_asked_again(web_server: WebServer, status: int) -> None:
    web_server.answers[f"{NAME}.gz"] = [status, status, PACKED]
    assert fetch(Mirror(web_server.url)) == CONTENT
    assert web_server.asked == [f"{NAME}.gz"] * 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (404, "^404 Client Error: Not Found"),
        (403, f"^404 Client Error: Not Found for url: .*/{NAME}$"),  # S3's answer; plain, it is not there either
        (401, f"^401 Client Error: Unauthorized for url: .*/{NAME}.gz$"),
        (503, "^503 Server Error"),
        (Cut(PACKED), "IncompleteRead"),
        (PACKED[:-9], "its gzip data is broken"),
        (b"\x1f\x8b garbage", "its gzip data is broken"),
    ],
)
def test_bad_answer_of_a_mirror(web_server: WebServer, answer: Answer, reason: str) -> None:
    web_server.answers[f"{NAME}.gz"] = [answer]
    with pytest.raises(FileError, match=reason):
        fetch(Mirror(web_server.url))


def test_mirror_that_hangs(web_server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "TIMEOUT_S", (0.2, 0.2))
    monkeypatch.setattr(sources, "RETRIES", 1)
    web_server.answers[f"{NAME}.gz"] = [Hang()]
    with pytest.raises(SourceError, match=r"cannot be reached .*timed out"):
        fetch(Mirror(web_server.url))
    assert len(web_server.asked) == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1"])
def test_mirror_that_is_not_there(url: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be reached .*refused"):
        fetch(Mirror(url))


def test_mirror_whose_name_is_not_known_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(*arguments: object, **_: object) -> None:
        asked.append(arguments[0])
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(SourceError, match=r"cannot be reached .*mirror\.invalid.*Name or service not known"):
        fetch(Mirror("https://mirror.invalid/"))
    assert asked == ["mirror.invalid"]


@pytest.mark.parametrize("shown", ["0", "1"])
def test_progress_bar(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: str
) -> None:
    monkeypatch.setenv("GAN_PROGRESS", shown)
    web_server.answers[f"{NAME}.gz"] = [PACKED]
    fetch(Mirror(web_server.url))
    assert (f"{NAME}: 100%" in capsys.readouterr().err) == (shown == "1")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, f"neither {NAME} nor {NAME}.gz is there"),
        ({f"{NAME}.gz": PACKED[:-9]}, "its gzip data is broken"),
    ],
)
def test_folder_without_the_file(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=reason):
        fetch(Folder(tmp_path))


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    (tmp_path / NAME).write_bytes(CONTENT)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match=r"cannot be read \(Permission denied\)"):
        fetch(Folder(tmp_path))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("http://mirror/mnist", Mirror), ("https://mirror/mnist/", Mirror), (".", Folder), ("ftp://mirror", Folder)],
)
def test_named_source(name: str, kind: type[Source]) -> None:
    assert isinstance(named_source(name), kind)


@pytest.mark.parametrize("name", ["no/such/folder", "ftp://mirror", __file__])
def test_name_that_is_no_source(name: str) -> None:
    with pytest.raises(SourceError, match=r"neither a folder that exists nor an http\(s\) address"):
        fetch(named_source(name))


NPM = """#!{python}
import os, sys, tarfile
assert sys.argv[1:3] == ["pack", "tiny-data@1.0.0"], sys.argv
if {code}:
    sys.exit("npm error code {reason}")
if {packs}:
    with tarfile.open("tiny-data-1.0.0.tgz", "w:gz") as tar:
        tar.add({folder!r}, "package/data")
    os.truncate("tiny-data-1.0.0.tgz", int(os.stat("tiny-data-1.0.0.tgz").st_size * {kept}))
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., NpmPackage]:
    """Puts a stand-in for the npm client on PATH, alone; its package holds the file."""
    if sys.platform == "win32":
        pytest.skip("the stand-in for npm is a script that starts with #!")
    packed, programs = tmp_path / "packed", tmp_path / "programs"
    packed.mkdir()
    programs.mkdir()
    (packed / NAME).write_bytes(CONTENT)
    monkeypatch.setenv("PATH", str(programs))

    def install(code: int = 0, reason: str = "", packs: bool = True, kept: float = 1, python: str = "") -> NpmPackage:
        values = {"code": code, "reason": reason, "packs": packs, "kept": kept, "folder": str(packed)}
        (programs / "npm").write_text(NPM.format(python=python or sys.executable, **values))
        (programs / "npm").chmod(0o755)
        return NpmPackage("tiny-data@1.0.0")

    return install


def test_npm_package(npm: Callable[..., NpmPackage]) -> None:
    assert fetch(npm()) == CONTENT


@pytest.mark.parametrize("name", ["other", ""])
def test_npm_package_without_the_file(npm: Callable[..., NpmPackage], name: str) -> None:
    with pytest.raises(FileError, match=f"package/data/{name} is no"):
        fetch(npm(), name)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"code": 1, "reason": "E404"}, r"npm failed with exit code 1 \(npm error code E404\)"),
        ({"packs": False}, "npm pack left no tarball"),
        ({"kept": 0.5}, "its tarball is broken"),
        ({"python": "/no/such/program"}, "npm did not run to its end"),
    ],
)
def test_npm_that_fails(npm: Callable[..., NpmPackage], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        fetch(npm(**options))


def test_npm_that_hangs(npm: Callable[..., NpmPackage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "NPM_TIMEOUT_S", 0)
    with pytest.raises(SourceError, match=r"npm did not run to its end .*timed out"):
        fetch(npm())


def test_npm_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="npm is not installed"):
        fetch(NpmPackage("tiny-data@1.0.0"))


def test_full_disk_under_npm(npm: Callable[..., NpmPackage]) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(npm(code=1, reason="ENOSPC"))
    assert caught.value.errno == errno.ENOSPC
