"""HTTP answers that a hostile server cannot make endless: every byte on the wire and every second is counted.

The counting sits below the HTTP library, at the socket. So it holds for bodies, headers, chunk sizes, `100 Continue`,
redirects and TLS handshakes alike, however the libraries above it read them.
"""

import contextlib
import http.client
import io
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from stages.datasets.sources.base import Deadline, FileError, SourceError

HEAD_BYTES = 1 << 18
"""What a status line, headers and interim answers (`100 Continue`) may take together."""
WINDOW_S = 20.0
SLOWEST_BYTES_PER_S = 100
"""A server that sends less than that for WINDOW_S seconds will not give the file within the deadline."""


class Meter:
    """Counts what one source sends; at the deadline it cuts all of its connections."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._left, self._excess = 0, ""
        self._window_start, self._window_bytes = 0.0, 0
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(deadline.left_s(), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def allow_head(self) -> None:
        """Start to count anew, for the status and the headers of an answer."""
        self._left, self._excess, self._window_start = HEAD_BYTES, "sends headers without end", 0.0

    def allow_body(self, limit: int) -> None:
        """Start to count anew, for a body of at most `limit` bytes."""
        self._left, self._excess = limit, "its answer is longer than the file can be"

    def spend(self, count: int) -> None:
        """Count bytes that came. Raises FileError beyond the limit, SourceError if they come too late or too slowly."""
        self.deadline.check()
        now = time.monotonic()
        self._left -= count
        if self._left < 0:
            raise FileError(self._excess)
        if not self._window_start:
            self._window_start, self._window_bytes = now, 0
        self._window_bytes += count
        if (passed := now - self._window_start) > WINDOW_S:
            if self._window_bytes < SLOWEST_BYTES_PER_S * passed:
                raise SourceError(f"sends less than {SLOWEST_BYTES_PER_S} bytes per second")
            self._window_start, self._window_bytes = now, 0

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection, too, at the deadline. Raises SourceError if that has passed."""
        # A duplicate stays valid when TLS takes the socket over.
        self._sockets.append(connection.dup())
        self.deadline.check()

    def connect(self, new_connection: Callable[[], socket.socket]) -> socket.socket:
        """A new connection, watched. Raises SourceError if there is none at the deadline, and what the function raises.

        The system's lookup of a host name has no time limit and cannot be cut: its thread is left behind.
        """
        outcome: queue.SimpleQueue[socket.socket | Exception] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put(new_connection())
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=run, daemon=True).start()
        try:
            connection = outcome.get(timeout=self.deadline.left_s())
        except queue.Empty:
            raise self.deadline.error() from None
        if isinstance(connection, Exception):
            raise connection
        self.watch(connection)
        return connection

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        for connection in self._sockets:
            connection.close()

    def _cut(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _MeteredFile(io.RawIOBase):
    """What comes from a socket, counted."""

    def __init__(self, raw: io.RawIOBase, meter: Meter) -> None:
        self._raw, self._meter = raw, meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._raw.readinto(buffer)
        if count:
            self._meter.spend(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _MeteredResponse(http.client.HTTPResponse):
    meter: ClassVar[Meter]

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_MeteredFile(self.fp.detach(), self.meter))


def _pools(meter: Meter) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools of connections, by scheme, with those connections metered."""
    response = type("Response", (_MeteredResponse,), {"meter": meter})

    class Plain(HTTPConnection):
        response_class = response

        def _new_conn(self) -> socket.socket:
            return meter.connect(super()._new_conn)

    class Encrypted(HTTPSConnection):
        response_class = response

        def _new_conn(self) -> socket.socket:
            return meter.connect(super()._new_conn)

    plain = type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain})
    return {"http": plain, "https": type("EncryptedPool", (HTTPSConnectionPool,), {"ConnectionCls": Encrypted})}


class _Adapter(HTTPAdapter):
    """Neither retries nor follows anything by itself: both read answers of any length to their end."""

    def __init__(self, meter: Meter) -> None:
        self._pools = _pools(meter)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: whoever called looks at redirects, because requests would read their bodies whole."""
        return None


@contextlib.contextmanager
def bounded_session(deadline: Deadline) -> Iterator[tuple[requests.Session, Meter]]:
    """A session for http and https whose answers count on the meter; it neither retries nor follows redirects."""
    meter = Meter(deadline)
    try:
        with _Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(meter))
            yield session, meter
    finally:
        meter.close()
