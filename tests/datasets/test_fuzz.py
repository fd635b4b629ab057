"""Seeded mutations of IDX files, gzip, tar archives and HTTP answers: read, or refused in one line."""

import gzip
import random
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from stages.common.errors import UserError
from stages.datasets.formats import idx
from stages.datasets.sources import base, mirror
from stages.datasets.sources.base import File, FileError, SourceError
from stages.datasets.sources.mirror import Mirror
from stages.datasets.sources.unpack import BrokenArchiveError, gunzip, tar_files
from tests.datasets.test_npm import member
from tests.fuzzing import assert_one_line, counts, mutated
from tests.web_server import WebServer, Wire

LIMIT = 1 << 16
CONTENT = bytes(range(256)) * 4
FILE = File(len(CONTENT), sha256(CONTENT).hexdigest())


@counts
def test_idx(tmp_path: Path, count: int) -> None:
    draw = random.Random(1)
    images = idx.encode(np.arange(240, dtype=np.uint8).reshape(10, 6, 4))
    labels = idx.encode(np.arange(10, dtype=np.int16))
    for number in range(count):
        content, read = ((images, idx.read_images), (labels, idx.read_labels))[number % 2]
        (tmp_path / "file").write_bytes(mutated(content, draw))
        try:
            assert read(tmp_path / "file").numel() <= 2000
        except UserError as error:
            assert_one_line(error)


@counts
def test_gzip_and_tar(count: int) -> None:
    draw = random.Random(2)
    archive = member("package/a", b"a" * 700) + member() + bytes(1024)
    packed = gzip.compress(archive, mtime=0)
    for number in range(count):
        try:
            if number % 2:
                tar_files(mutated(archive, draw))
            else:
                assert len(gunzip(mutated(packed, draw), LIMIT)) <= LIMIT
        except BrokenArchiveError as error:
            assert_one_line(error)


ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\nContent-Type: a/b\r\n\r\n" + CONTENT,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://user:hunter2@127.0.0.1:1/a?sig=s3cr3t\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\n\r\n" + gzip.compress(CONTENT, mtime=0),
)


@counts
def test_http(web_server: WebServer, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(mirror, "RETRIES", 0)
    monkeypatch.setattr(mirror, "TIMEOUT_S", (0.5, 0.5))
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 5.0)
    monkeypatch.setattr(mirror, "candidates", lambda name: [name])
    monkeypatch.setenv("GAN_PROGRESS", "0")
    draw = random.Random(3)
    for number in range(count):
        answer = mutated(ANSWERS[number % len(ANSWERS)], draw)
        web_server.answers = {"a": [Wire(lambda answer=answer: [answer])]}  # type: ignore[misc]
        try:
            with Mirror(web_server.url).open(FILE.size) as fetch:
                assert fetch("a", FILE) == CONTENT
        except (FileError, SourceError) as error:
            assert_one_line(error)
