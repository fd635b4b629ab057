"""A mirror that works, is busy or is not there, against a real web server."""

import gzip
import re
import socket
from hashlib import sha256
from pathlib import Path

import pytest

from stages.common import progress
from stages.datasets.sources import mirror
from stages.datasets.sources.base import File, FileError, Source, SourceError
from stages.datasets.sources.folder import Folder
from stages.datasets.sources.mirror import Mirror
from tests.web_server import Answer, Cut, Hang, WebServer

NAME = "labels-idx1-ubyte"
CONTENT = b"\x00\x00\x08\x01\x00\x00\x00\x02" + bytes(range(256)) * 20
PACKED = gzip.compress(CONTENT)
FILE = File(len(CONTENT), sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "BACKOFF_S", 0.0)
    monkeypatch.setenv("GAN_PROGRESS", "0")


def fetch(source: Source) -> bytes:
    with source.open(FILE.size) as get:
        return get(NAME, FILE)


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
        (404, r"^the server answers 404 \(Not Found\)$"),
        (403, r"^the server answers 403 \(Forbidden\)$"),  # S3's answer where there is no file
        (401, r"^the server answers 401 \(Unauthorized\)$"),
        (503, r"^the server answers 503 \(Service Unavailable\)$"),
        (Cut(PACKED), r"^its answer breaks off \(.*more expected.*\)$"),
        (PACKED[:-9], r"^its gzip data is broken \(it ends too early\)$"),
        (b"\x1f\x8b garbage", r"^its gzip data is broken \("),
    ],
)
def test_bad_answer_of_a_mirror(web_server: WebServer, answer: Answer, reason: str) -> None:
    web_server.answers[f"{NAME}.gz"] = [answer]
    with pytest.raises(FileError, match=reason):
        fetch(Mirror(web_server.url))


def test_mirror_that_hangs(web_server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "TIMEOUT_S", (0.2, 0.2))
    monkeypatch.setattr(mirror, "RETRIES", 1)
    web_server.answers[f"{NAME}.gz"] = [Hang()]
    with pytest.raises(SourceError, match=r"cannot be reached .*timed out"):
        fetch(Mirror(web_server.url))
    assert len(web_server.asked) == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1"])
def test_absent_mirror(url: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be reached .*refused"):
        fetch(Mirror(url))


def test_unknown_host_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(*arguments: object, **_: object) -> None:
        asked.append(arguments[0])
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(SourceError, match=r"^cannot be reached \(Name or service not known\)$"):
        fetch(Mirror("https://mirror.invalid/"))
    assert asked == ["mirror.invalid"]


@pytest.mark.parametrize("shown", ["0", "1"])
def test_progress_bar(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: str
) -> None:
    monkeypatch.setenv("GAN_PROGRESS", shown)
    monkeypatch.setattr(progress, "BAR_DELAY_S", 0)
    web_server.answers[f"{NAME}.gz"] = [PACKED]
    fetch(Mirror(web_server.url))
    assert (f"{NAME}:   0%" in capsys.readouterr().err) == (shown == "1")


def test_a_slow_download_says_how_far_it_is(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal: a line where half a minute has passed, here after the first piece."""
    monkeypatch.delenv("GAN_PROGRESS")
    monkeypatch.setattr(progress, "_INTERVAL", progress.Interval(iter(range(0, 10_000, 20)).__next__))
    web_server.answers[f"{NAME}.gz"] = [PACKED]
    fetch(Mirror(web_server.url))
    done = rf"^{NAME}: {len(PACKED):,} of {len(PACKED):,} bytes, \S+ bytes/s$"
    assert re.search(done, capsys.readouterr().err, re.MULTILINE)


@pytest.mark.parametrize("page", [b"<html>no such page</html>", gzip.compress(b"<html>"), b""])
def test_page_in_the_place_of_one_name_is_not_the_end(web_server: WebServer, page: bytes) -> None:
    web_server.answers = {f"{NAME}.gz": [page], NAME: [CONTENT]}
    assert fetch(Mirror(web_server.url)) == CONTENT


@pytest.mark.parametrize("name", ["labels.idx1-ubyte", "labels.idx1-ubyte.gz"])
def test_names_with_a_dot(web_server: WebServer, name: str) -> None:
    web_server.answers[name] = [PACKED]
    assert fetch(Mirror(web_server.url)) == CONTENT
