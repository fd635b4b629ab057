"""A web server on this machine that answers well or badly, as a test wants. A plug-in of conftest.py."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass(frozen=True)
class Cut:
    """An answer that breaks off half way."""

    content: bytes


class Hang:
    """No answer before the test ends."""


@dataclass(frozen=True)
class Redirect:
    """An answer that sends on to another address."""

    location: str


@dataclass(frozen=True)
class Wire:
    """Bytes as they go over the wire, from the status line on, with a pause after each piece; perhaps without end."""

    pieces: Callable[[], Iterable[bytes]]
    pause_s: float = 0.0


Answer = bytes | int | Cut | Hang | Redirect | Wire
"""What a file's address gives: its content, an HTTP status, or less."""


@dataclass
class WebServer:
    """Answers by file name; of several the last one stays. What has none is not found."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    credentials: list[str | None] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def next_answer(self, name: str) -> Answer:
        self.asked.append(name)
        answers = self.answers.get(name, [404])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.addresses.append(self.path)
            server.credentials.append(self.headers["Authorization"])
            answer = server.next_answer(self.path.partition("?")[0].rpartition("/")[2])
            if isinstance(answer, Hang):
                server.ended.wait()
            elif isinstance(answer, int):
                self.send_error(answer)
            elif isinstance(answer, Wire):
                self.send_wire(answer)
            elif isinstance(answer, Redirect):
                self.send_response(302)
                self.send_header("Location", answer.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif isinstance(answer, Cut):
                self.send_content(answer.content[: len(answer.content) // 2], len(answer.content))
            else:
                self.send_content(answer, len(answer))

        do_CONNECT = do_GET  # noqa: N815 (as a proxy: the name is host:port)

        def send_wire(self, answer: Wire) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):  # the client went away
                for piece in answer.pieces():
                    self.wfile.write(piece)
                    if server.ended.wait(answer.pause_s) if answer.pause_s else server.ended.is_set():
                        return

        def send_content(self, content: bytes, size: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    return Handler


@pytest.fixture
def web_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = WebServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(server)) as http:
        # Threads that hang are not waited for.
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_port}/mirror/"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.ended.set()
        http.shutdown()
