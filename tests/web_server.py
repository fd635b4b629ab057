"""A web server on this machine that answers well or badly, as a test wants. A plug-in of conftest.py."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass(frozen=True)
class Cut:
    """An answer that breaks off half way."""

    content: bytes


class Hang:
    """No answer before the test ends."""


Answer = bytes | int | Cut | Hang
"""What a file's address gives: its content, an HTTP status, or less."""


@dataclass
class WebServer:
    """Answers by file name; of several the last one stays. What has none is not found."""

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def next_answer(self, name: str) -> Answer:
        self.asked.append(name)
        answers = self.answers.get(name, [404])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = server.next_answer(self.path.rpartition("/")[2])
            if isinstance(answer, Hang):
                server.ended.wait()
            elif isinstance(answer, int):
                self.send_error(answer)
            elif isinstance(answer, Cut):
                self.send_content(answer.content[: len(answer.content) // 2], len(answer.content))
            else:
                self.send_content(answer, len(answer))

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
