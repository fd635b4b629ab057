"""Mirrors that send too much, too slowly, for ever, or what is not HTTP: one line, bounded memory, in time."""

import contextlib
import gzip
import itertools
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import sha256

import pytest

from stages.datasets.sources import base, bounded_http, mirror, reasons
from stages.datasets.sources.base import File, FileError, Source, SourceError
from stages.datasets.sources.mirror import Mirror
from tests.web_server import Answer, Redirect, WebServer, Wire

NAME = "labels-idx1-ubyte"
CONTENT = bytes(range(256)) * 20
PACKED = gzip.compress(CONTENT)
FILE = File(len(CONTENT), sha256(CONTENT).hexdigest())
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = bytes(1 << 20)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "BACKOFF_S", 0.0)
    monkeypatch.setenv("GAN_PROGRESS", "0")


def fetch(source: Source) -> bytes:
    with source.open(FILE.size) as get:
        return get(NAME, FILE)


def refused(server: WebServer, answer: Answer) -> str:
    """The one line that the answer, under all names of the file, is refused with."""
    for name in mirror.candidates(NAME):
        server.answers[name] = [answer]
    with pytest.raises((FileError, SourceError)) as caught:
        fetch(Mirror(server.url))
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 300
    assert message.isprintable()
    return message


def endless(head: bytes, piece: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: itertools.chain([head], itertools.repeat(piece))


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """At no moment does the block hold more than 16 MiB, the copies of the server in this process included."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 16 * len(MEBIBYTE)
    finally:
        tracemalloc.stop()


TOO_LONG = "longer than the file can be"
ENDLESS = {
    "body": endless(HEAD + b"\r\n", MEBIBYTE),
    "chunks": endless(CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n"),
    "chunk of the size -1": endless(CHUNKED + b"-1\r\n", MEBIBYTE),
    "line of a chunk's size": endless(CHUNKED, b"0" * 1000),
    "trailers": endless(CHUNKED + b"0\r\n", (b"a: " + b"b" * 1000 + b"\r\n") * 100),
    "100 Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "status line": endless(b"", b"HTTP" * 100),
}


@pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS.keys())
def test_answer_without_end(web_server: WebServer, pieces: Callable[[], Iterable[bytes]]) -> None:
    with bounded_memory():
        message = refused(web_server, Wire(pieces))
    assert any(part in message for part in (TOO_LONG, "sends headers without end", "cannot be reached", "breaks off"))


SLOW = {
    "body": (HEAD + b"Content-Length: 1000\r\n\r\n", b"x"),
    "chunk": (CHUNKED + b"fff\r\n", b"x"),
    "headers": (HEAD, b"x"),
    "status line": (b"", b"H"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "busy": (b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n", b"x"),
    "error": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n", b"x"),
}


@pytest.mark.parametrize(("head", "piece"), SLOW.values(), ids=SLOW.keys())
def test_answer_in_single_bytes_ends_at_the_deadline(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch, head: bytes, piece: bytes
) -> None:
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 0.4)
    message = refused(web_server, Wire(endless(head, piece), pause_s=0.05))
    assert message in ("took longer than 0.4 seconds", "the server answers 404 (Not Found)") or "answers 503" in message


def test_a_server_slower_than_any_line_is_given_up_before_the_deadline(
    web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "WINDOW_S", 0.3)
    answer = Wire(endless(HEAD + b"Content-Length: 5000\r\n\r\n", b"x"), pause_s=0.02)
    assert refused(web_server, answer) == "sends less than 100 bytes per second"


def test_lookup_of_a_host_name_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: answered.wait(60) and [])
    try:
        with pytest.raises(SourceError, match=r"^took longer than 0.3 seconds$"):
            fetch(Mirror("http://digits.example"))
        assert not answered.is_set()
    finally:
        answered.set()


def test_silent_tls_handshake_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 0.3)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(SourceError, match=r"^took longer than 0.3 seconds$"),
    ):
        fetch(Mirror(f"https://127.0.0.1:{server.getsockname()[1]}/"))


@cache
def bomb(mebibytes: int) -> bytes:
    """That many MiB of zeros as gzip, made without holding them."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(MEBIBYTE) for _ in range(mebibytes)) + packer.flush()


GZIP, DEFLATE = (HEAD + b"Content-Encoding: " + name + b"\r\n\r\n" for name in (b"gzip", b"deflate"))
TWICE = HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n"
BOMBS: dict[str, Callable[[], Answer]] = {
    "gzip": lambda: bomb(256),
    "gzip in gzip": lambda: gzip.compress(bomb(256)),
    "members": lambda: bomb(1) * 100,
    "Content-Encoding": lambda: Wire(lambda: [GZIP, bomb(256)]),
    "Content-Encoding twice": lambda: Wire(lambda: [TWICE, gzip.compress(bomb(256))]),
    "Content-Encoding deflate": lambda: Wire(lambda: [DEFLATE, zlib.compress(MEBIBYTE)]),
}
"""Made when they are asked for: packing them takes a second in each process that collects tests."""


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS.keys())
def test_bomb(web_server: WebServer, make: Callable[[], Answer]) -> None:
    answer = make()
    with bounded_memory():
        message = refused(web_server, answer)
    assert any(part in message for part in ("holds more than", TOO_LONG, "expected SHA-256"))


@pytest.mark.parametrize("encoding", [b"gzip", b"identity", b"nonsense", b"br"])
def test_content_encoding_is_not_believed(web_server: WebServer, encoding: bytes) -> None:
    """The bytes decide, whether the server packed the packed file once more or only says so."""
    head = HEAD + b"Content-Encoding: " + encoding + b"\r\n\r\n"
    for body in (CONTENT, PACKED, gzip.compress(PACKED)):
        web_server.answers[f"{NAME}.gz"] = [Wire(lambda body=body: [head, body])]  # type: ignore[misc]
        assert fetch(Mirror(web_server.url)) == CONTENT


MALFORMED: dict[str, Answer] = {
    "redirect to a broken address": Redirect("http://[::1"),
    "redirect to a file": Redirect("file:///etc/passwd"),
    "redirect without a host": Redirect("http://"),
    "redirect to a port that is none": Redirect("http://127.0.0.1:99999/"),
    "redirect to a label that is too long": Redirect(f"http://{'a' * 64}.example/"),
    "redirect without an address": Wire(lambda: [b"HTTP/1.1 302 Found\r\n\r\n"]),
    "chunk size -5": Wire(lambda: [CHUNKED, b"-5\r\n", CONTENT]),
    "chunk size that is none": Wire(lambda: [CHUNKED, b"zz\r\n", CONTENT]),
    "length that is none": Wire(lambda: [HEAD + b"Content-Length: many\r\n\r\n", CONTENT[:9]]),
    "negative length": Wire(lambda: [HEAD + b"Content-Length: -5\r\n\r\n", CONTENT[:9]]),
    "two lengths": Wire(lambda: [HEAD + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n", CONTENT[:9]]),
    "length of an exabyte": Wire(lambda: [HEAD + b"Content-Length: 1000000000000000000\r\n\r\n"]),
    "not HTTP": Wire(lambda: [b"\x00\xff\x1b[31m\r\n\r\n"]),
    "unknown status": Wire(lambda: [b"HTTP/1.1 299 \x1b[31mred\r\n\r\n"]),
    "nothing": Wire(list),
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_answer(web_server: WebServer, answer: Answer) -> None:
    assert "\x1b" not in refused(web_server, answer)


def test_redirect_is_followed(web_server: WebServer) -> None:
    web_server.answers = {f"{NAME}.gz": [Redirect("../elsewhere/other?sig=1")], "other": [PACKED]}
    assert fetch(Mirror(web_server.url)) == CONTENT
    assert web_server.addresses[-1] == "/elsewhere/other?sig=1"


def test_redirects_in_a_circle(web_server: WebServer) -> None:
    assert refused(web_server, Redirect(f"{NAME}.gz")) == f"redirects more than {mirror.MAX_REDIRECTS} times"


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:99999/",
        f"http://{'a' * 64}.b/",
        "http:///p",
        "http://u:hunter2@\u2100.b/",
    ],
)
def test_malformed_address(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(Mirror(url))
    assert len(str(caught.value).splitlines()) == 1
    assert "hunter2" not in f"{caught.value} {Mirror(url)}"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "CURL_CA_BUNDLE"])
def test_settings_of_the_user_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://user:secret@[" if variable == "HTTPS_PROXY" else "/no/such/file")
    with pytest.raises(SourceError) as caught:
        fetch(Mirror("https://127.0.0.1:1/"))
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://h/mnist", "http://h/mnist/a.gz"),
        ("http://h/mnist/", "http://h/mnist/a.gz"),
        ("http://h", "http://h/a.gz"),
        ("http://h/mnist?sig=a%2Fb&x=1", "http://h/mnist/a.gz?sig=a%2Fb&x=1"),
        ("http://h/mnist/?sig=1#part", "http://h/mnist/a.gz?sig=1"),
        ("http://u:p%40@h:8/m", "http://u:p%40@h:8/m/a.gz"),
    ],
)
def test_query_stays_at_the_end(url: str, address: str) -> None:
    assert mirror.joined(url, "a.gz") == address


@pytest.mark.parametrize("answer", [*map(Wire, ENDLESS.values()), 407, 502])
def test_hostile_proxy(web_server: WebServer, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setenv("HTTPS_PROXY", web_server.url.replace("http://", "http://user:hunter2@"))
    web_server.answers["mirror.invalid:443"] = [answer]
    with bounded_memory(), pytest.raises((FileError, SourceError)) as caught:
        fetch(Mirror("https://mirror.invalid/"))
    assert web_server.addresses[0] == "mirror.invalid:443"
    assert len(str(caught.value).splitlines()) == 1
    assert "hunter2" not in str(caught.value)


SECRETS = ("hunter2", "s3cr3t", "tok3n")
ANSWERS: dict[str, Answer] = {
    "none": 404,
    "refused": 401,
    "busy": 503,
    "cut off": Wire(list),
    "bad redirect": Redirect("http://x:tok3n@[::1?sig=tok3n"),
    "secrets in place of HTTP": Wire(lambda: [b"user:hunter2 s3cr3t\r\n\r\n"]),
    "secrets in a header": Wire(lambda: [HEAD + b"Content-Length: hunter2, s3cr3t\r\n\r\n"]),
    "secrets in place of a chunk's size": Wire(lambda: [CHUNKED + b"hunter2\r\n"]),
    "redirect to nowhere": Redirect("http://x:tok3n@127.0.0.1:1/?sig=tok3n"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_secrets_are_sent_and_never_shown(web_server: WebServer, answer: Answer) -> None:
    for name in mirror.candidates(NAME):
        web_server.answers[name] = [answer]
    source = Mirror(web_server.url.replace("http://", "http://user:hunter2@") + "?sig=s3cr3t")
    with pytest.raises((FileError, SourceError)) as caught:
        fetch(source)
    assert web_server.addresses[0].endswith(f"{NAME}.gz?sig=s3cr3t")
    assert web_server.credentials[0] == "Basic dXNlcjpodW50ZXIy"
    shown = f"{caught.value} {source} {source!r}"
    assert not any(secret in shown for secret in SECRETS)
    assert "127.0.0.1" in str(source)


@pytest.mark.parametrize(
    "address", ["https://user:hunter2@h/p?sig=s3cr3t#tok3n", "https://user:hunter2@[h/p?sig=s3cr3t"]
)
def test_address_without_secrets(address: str) -> None:
    shown = reasons.without_secrets(address)
    assert not any(secret in shown for secret in SECRETS)
    assert shown.startswith("https://***@")


def test_deadline_is_for_all_files_of_a_source(web_server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 0.2)
    web_server.answers[f"{NAME}.gz"] = [PACKED]
    with Mirror(web_server.url).open(FILE.size) as get:
        assert get(NAME, FILE) == CONTENT
        time.sleep(0.25)
        with pytest.raises(SourceError, match="took longer than"):
            get(NAME, FILE)
