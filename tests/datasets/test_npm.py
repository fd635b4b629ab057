"""npm packages, by a stand-in for the npm client: what it may leave, how it may fail, hang and fill the disk."""

import errno
import gzip
import io
import sys
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.datasets.sources import base, client
from stages.datasets.sources.base import File, FileError, Source, SourceError
from stages.datasets.sources.npm import NpmPackage
from tests.stage_process import wait_until

NAME = "labels-idx1-ubyte"
CONTENT = b"\x00\x00\x08\x01\x00\x00\x00\x02" + bytes(range(256)) * 20
FILE = File(len(CONTENT), sha256(CONTENT).hexdigest())


def fetch(source: Source, name: str = NAME) -> bytes:
    with source.open(FILE.size) as get:
        return get(name, FILE)


NPM = """#!{python}
import os, sys, tarfile
assert sys.argv[1:3] == ["pack", "tiny-data@1.0.0"], sys.argv
if {code}:
    sys.exit("npm error code {reason}")
if {packs}:
    with tarfile.open("tiny-data-1.0.0.tgz", "w:gz") as tar:
        tar.add({folder!r}, "package/data")
    os.truncate("tiny-data-1.0.0.tgz", int(os.stat("tiny-data-1.0.0.tgz").st_size * {kept}))
{then}
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

    def install(
        code: int = 0, reason: str = "", packs: bool = True, kept: float = 1, python: str = "", then: str = ""
    ) -> NpmPackage:
        values = {"code": code, "reason": reason, "packs": packs, "kept": kept, "folder": str(packed), "then": then}
        (programs / "npm").write_text(NPM.format(python=python or sys.executable, **values))
        (programs / "npm").chmod(0o755)
        return NpmPackage("tiny-data@1.0.0")

    return install


def test_npm_package(npm: Callable[..., NpmPackage]) -> None:
    assert fetch(npm()) == CONTENT


def test_npm_s_cache_is_in_the_temporary_folder_and_may_hold_the_package_once_more(
    npm: Callable[..., NpmPackage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "OTHER_FILES_BYTES", 1 << 14)
    caches = "assert '--cache=cache' in sys.argv; os.mkdir('cache'); open('cache/of', 'wb').write(bytes(40_000))"
    assert fetch(npm(then=f"{caches}; import time; time.sleep(.3)")) == CONTENT


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
        ({"python": "/no/such/program"}, "npm does not start"),
    ],
)
def test_npm_that_fails(npm: Callable[..., NpmPackage], options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        fetch(npm(**options))


HANGS = """
import subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={apart})
open({pids!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("apart", [False, True], ids=["in its group", "in a session of its own"])
def test_npm_that_hangs_is_killed_with_its_children(
    npm: Callable[..., NpmPackage], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, apart: bool
) -> None:
    monkeypatch.setattr(base, "SOURCE_TIMEOUT_S", 1.5)
    package = npm(packs=False, then=HANGS.format(apart=apart, pids=str(tmp_path / "pids")))
    with pytest.raises(SourceError, match=r"^npm did not end within 1.5 seconds$"):
        fetch(package)
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        wait_until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]


FILLS = """
import time
while True:
    open("x.tgz", "ab").write(bytes(1 << 16))
    time.sleep(0.005)
"""


def test_npm_that_fills_the_disk_is_stopped(npm: Callable[..., NpmPackage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OTHER_FILES_BYTES", 1 << 20)
    package = npm(
        packs=False, then="while True: open('x.tgz', 'ab').write(bytes(1 << 16)); import time; time.sleep(.005)"
    )
    with pytest.raises(SourceError, match=r"^npm wrote more than the \d+ bytes"):
        fetch(package)


LEFT = {
    "folder": ("os.mkdir('x.tgz')", "is not a regular file"),
    "dangling link": ("os.symlink('nowhere', 'x.tgz')", "cannot be read .No such file or directory"),
    "link to a device": ("os.symlink('/dev/zero', 'x.tgz')", "is not a regular file"),
    "FIFO": ("os.mkfifo('x.tgz')", "is not a regular file"),
    "sparse file": ("open('x.tgz', 'wb').truncate(1 << 40)", "(has|wrote)|npm wrote more"),
}


@pytest.mark.parametrize(("then", "reason"), LEFT.values(), ids=LEFT.keys())
def test_npm_that_leaves_no_file(npm: Callable[..., NpmPackage], then: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        fetch(npm(packs=False, then=then))
    assert len(str(caught.value).splitlines()) == 1


def member(name: str = f"package/data/{NAME}", content: bytes = CONTENT, **fields: Any) -> bytes:
    """A member of a tar archive as tarfile writes it."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def header_of(size: bytes) -> bytes:
    """A header with that field of the size, and a checksum that fits."""
    header = bytearray(member()[:512])
    header[124:136] = size.ljust(12, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


ARCHIVES = {
    "empty": b"",
    "no archive": b"<html>" * 1000,
    "half": member()[:1000],
    "link to itself": member(content=b"", type=tarfile.SYMTYPE, linkname=f"package/data/{NAME}"),
    "hard link to itself": member(content=b"", type=tarfile.LNKTYPE, linkname=f"package/data/{NAME}"),
    "device": member(content=b"", type=tarfile.CHRTYPE),
    "folder": member(content=b"", type=tarfile.DIRTYPE),
    "old sparse file": member(type=tarfile.GNUTYPE_SPARSE),
    "sparse file without its map": member("x", b"30 GNU.sparse.major=1\n", type=tarfile.XHDTYPE)
    + member(content=b"9" * 512),
    "negative size": header_of(b"-7") + CONTENT,
    "size of 2^80": header_of(b"\x80" + b"\xff" * 11) + CONTENT,
    "size beyond the end": header_of(b"77777777777") + CONTENT,
    "size that is no number": header_of(b"xyz") + CONTENT,
    "long name without end": member("././@LongLink", b"x" * 10, type=tarfile.GNUTYPE_LONGNAME)[:700],
}


def package_of(npm: Callable[..., NpmPackage], tmp_path: Path, tarball: bytes) -> NpmPackage:
    (tmp_path / "tarball").write_bytes(tarball)
    return npm(packs=False, then=f"import shutil; shutil.copy({str(tmp_path / 'tarball')!r}, 'x.tgz')")


@pytest.mark.parametrize("archive", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_hostile_archive(npm: Callable[..., NpmPackage], tmp_path: Path, archive: bytes) -> None:
    with pytest.raises((FileError, SourceError), match=r"tarball is broken|is no file of|SHA-256") as caught:
        fetch(package_of(npm, tmp_path, gzip.compress(archive)))
    assert len(str(caught.value).splitlines()) == 1


def test_bombs_of_a_package(npm: Callable[..., NpmPackage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OTHER_FILES_BYTES", 1 << 20)
    with pytest.raises(SourceError, match="its tarball holds more than the"):
        fetch(package_of(npm, tmp_path, gzip.compress(bytes(1 << 24))))
    bomb = gzip.compress(bytes(1 << 24))
    with pytest.raises(FileError, match="its gzip data holds more than the"):
        fetch(package_of(npm, tmp_path, gzip.compress(member(content=bomb))))


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_each_style(npm: Callable[..., NpmPackage], tmp_path: Path, style: int) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=style) as tar:
        for name, content in (
            ("package/" + "n" * 90 + "/b", b"other"),
            (f"package/data/{NAME}.gz", gzip.compress(CONTENT)),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1.5
            tar.addfile(info, io.BytesIO(content))
    assert fetch(package_of(npm, tmp_path, stream.getvalue())) == CONTENT


def test_words_of_npm_are_one_line_without_secrets(npm: Callable[..., NpmPackage]) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(npm(code=1, reason="E401 https://user:hunter2@registry/x?token=s3cr3t \\x1b[31m \\n more" + "x" * 900))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 300
    assert "hunter2" not in message
    assert "s3cr3t" not in message


def test_npm_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="npm is not installed"):
        fetch(NpmPackage("tiny-data@1.0.0"))


def test_full_disk_under_npm(npm: Callable[..., NpmPackage]) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(npm(code=1, reason="ENOSPC"))
    assert caught.value.errno == errno.ENOSPC
