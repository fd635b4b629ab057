"""A mirror that works, is busy or is not there, against a real web server."""


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


