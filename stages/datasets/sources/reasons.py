"""How the failure of a source is worded: one short printable line that shows no password or token."""

import http.client
import re
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3.exceptions

CHARACTERS = 200
LENGTHS = (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead)
"""Errors that count bytes and quote none."""


def without_secrets(address: str) -> str:
    """The address without user, password, query and fragment, any of which may hold a secret."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return re.sub(r"//[^/]*@", "//***@", re.sub(r"[?#].*", "?***", address, flags=re.DOTALL))
    _, at, host = parts.netloc.rpartition("@")
    netloc = f"***@{host}" if at else host
    return urlunsplit((parts.scheme, netloc, parts.path, "***" if parts.query else "", ""))


def reason_of(error: BaseException) -> str:
    """The first cause of an error as one short printable line.

    Only what the system says is quoted. Other messages hold addresses, or bytes of the server, who knows all secrets.
    """
    while (cause := cause_of(error)) is not None:
        error = cause
    if text := getattr(error, "strerror", None):
        return one_line(str(text))
    is_quotable = isinstance(error, OSError) and not isinstance(error, requests.RequestException)
    is_quotable = is_quotable or type(error) in LENGTHS  # a derived class quotes the server
    return one_line(str(error)) if is_quotable and str(error) else type(error).__name__


def one_line(text: str) -> str:
    """A text of others as one short printable line without the secrets of addresses in it."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    text = re.sub(r"//[^/\s'\"]*@", "//***@", text)
    text = re.sub(r"\?[^\s'\")]+", "?***", text)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 3] + "..."


def cause_of(error: BaseException) -> BaseException | None:
    """The error that this one was raised for, as requests, urllib3 and Python keep it."""
    if error.__cause__ is not None:
        return error.__cause__
    inner = [getattr(error, "reason", None), *error.args]
    return next((part for part in inner if isinstance(part, BaseException)), None)
