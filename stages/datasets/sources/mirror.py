"""An http(s) address as a source: redirects, retries and the names under which a file may lie there."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import requests
from urllib3.exceptions import NameResolutionError

from stages.common.errors import UserError
from stages.common.progress import progress
from stages.datasets.sources.base import OVERHEAD_BYTES, Deadline, Fetch, File, FileError, SourceError
from stages.datasets.sources.bounded_http import Meter, bounded_session
from stages.datasets.sources.reasons import cause_of, reason_of, without_secrets

TIMEOUT_S = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes of an answer."""
RETRIES = 3
BACKOFF_S = 0.5
"""Seconds before the second retry; each later one waits twice as long as the one before it."""
BUSY = (429, 500, 502, 503, 504)
"""HTTP answers after which it is worth trying again. What a server asks us to wait is not read: it may be hours."""
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 5
ABSENT = (403, 404, 410)
"""S3 answers 403 for a file that is not there."""


class _AbsentError(FileError):
    """The address has no file."""


class _RefusedError(FileError):
    """The server would answer the same for any name of the file."""


class _TransientError(Exception):
    """Worth another attempt; the cause is what is reported if none helps."""

    def __init__(self, final: FileError | SourceError) -> None:
        super().__init__(final)
        self.final = final


@dataclass(frozen=True)
class Mirror:
    """An http(s) address under which the files lie as <name>.gz, or plain; it may hold a password or a query."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"mirror {without_secrets(self.url)}"

    @contextmanager
    def open(self, total: int) -> Iterator[Fetch]:
        """Open one session for all files."""
        with bounded_session(Deadline(total)) as (session, meter):
            yield partial(self._fetch, session, meter)

    def _fetch(self, session: requests.Session, meter: Meter, name: str, file: File) -> bytes:
        failures: list[FileError] = []
        for candidate in candidates(name):
            try:
                url = joined(self.url, candidate)
                return file.verified(_persistently(partial(_download, session, meter, url, name, file), meter))
            except _RefusedError:
                raise
            except FileError as error:
                # Some servers answer with a page where there is no file: another name may be the right one.
                # Its traceback would keep what came so far.
                failures.append(error.with_traceback(None))
        raise min(failures, key=lambda error: isinstance(error, _AbsentError))


def candidates(name: str) -> list[str]:
    """The names under which mirrors have a file, the most common first."""
    dotted = name.replace("-idx", ".idx")
    return list(dict.fromkeys((f"{name}.gz", name, f"{dotted}.gz", dotted)))


def joined(url: str, name: str) -> str:
    """The address of a file below another address, whose query (a signature) stays at the end.

    Raises SourceError if the address is malformed.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SourceError("is no valid address") from None
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/{quote(name)}", parts.query, ""))


def _persistently(attempt: Callable[[], bytes], meter: Meter) -> bytes:
    """The result of the attempt, which is repeated while it fails for a moment only."""
    for count in range(RETRIES + 1):
        if count > 1:
            time.sleep(min(BACKOFF_S * 2 ** (count - 1), meter.deadline.left_s()))
        try:
            return attempt()
        except _TransientError as error:
            meter.deadline.check()
            final = error.final
    raise final


def _download(session: requests.Session, meter: Meter, url: str, name: str, file: File) -> bytes:
    """What the address, or the one that it redirects to, answers; as compressed as it comes."""
    for _ in range(MAX_REDIRECTS + 1):
        meter.allow_head()
        with _answer(session, meter, url) as response:
            status = response.status_code
            if status in REDIRECTS:
                url = _redirected(url, response)
            elif status == HTTPStatus.OK:
                return _body(response, meter, name, file)
            else:
                raise _refusal(status)
    raise FileError(f"redirects more than {MAX_REDIRECTS} times")


def _answer(session: requests.Session, meter: Meter, url: str) -> requests.Response:
    # A server that compresses on the way only adds a layer to bound.
    headers = {"Accept-Encoding": "identity"}
    try:
        return session.get(url, stream=True, timeout=TIMEOUT_S, allow_redirects=False, headers=headers)
    except (FileError, SourceError):
        raise
    except (requests.ConnectionError, requests.Timeout) as error:
        meter.deadline.check()
        final = SourceError(f"cannot be reached ({reason_of(error)})")
        if _is_unknown_host(error):  # that gets no better within seconds
            raise final from None
        raise _TransientError(final) from None
    except Exception as error:
        # Malformed names, certificates that are not there, broken proxies: the libraries raise whatever they meet.
        meter.deadline.check()
        raise SourceError(f"cannot be asked ({reason_of(error)})") from None


def _body(response: requests.Response, meter: Meter, name: str, file: File) -> bytes:
    content = bytearray()
    # Chunks have headers of their own.
    meter.allow_body(file.limit + OVERHEAD_BYTES)
    try:
        size = response.raw.length_remaining  # None where the server does not say
        if size is not None and size > file.limit:
            raise FileError(f"its answer has {size} bytes, more than the {file.limit} that the file can have")
        with progress(name, size or file.limit, "byte", is_hidden=size is None) as counter:
            for piece in response.raw.stream(1 << 16, decode_content=False):
                content += piece
                counter.advance(len(piece))
    except (FileError, SourceError, UserError):
        raise
    except Exception as error:
        # Chunks of a negative length, headers that contradict each other: again whatever the libraries raise.
        meter.deadline.check()
        raise FileError(f"its answer breaks off ({reason_of(error)})") from None
    return bytes(content)


def _redirected(url: str, response: requests.Response) -> str:
    try:
        target = urljoin(url, response.headers["Location"])
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http(s) address")
    except (KeyError, ValueError):
        raise FileError("redirects to no valid http(s) address") from None
    return target


def _refusal(status: int) -> Exception:
    phrase = next((known.phrase for known in HTTPStatus if known == status), "unknown status")
    message = f"the server answers {status} ({phrase})"
    if status in ABSENT:
        return _AbsentError(message)
    return _TransientError(_RefusedError(message)) if status in BUSY else _RefusedError(message)


def _is_unknown_host(error: BaseException | None) -> bool:
    """Whether a name that DNS does not know is among the causes."""
    while error is not None and not isinstance(error, NameResolutionError):
        error = cause_of(error)
    return error is not None
