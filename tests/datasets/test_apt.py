"""Packages of apt: one that dpkg-deb builds here, and stand-ins for apt-get that fail, leave nothing or too much."""

import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from stages.datasets.sources import client
from stages.datasets.sources.apt import AptPackage
from stages.datasets.sources.base import File, FileError, SourceError

NAME = "labels-idx1-ubyte"
CONTENT = b"\x00\x00\x08\x01\x00\x00\x00\x02" + bytes(range(256)) * 20
FILE = File(len(CONTENT), sha256(CONTENT).hexdigest())
PACKAGE = AptPackage("dataset-tiny", "usr/share/datasets/tiny")
CONTROL = """Package: dataset-tiny
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: digits of a test
"""
APT = """#!{python}
import os, shutil, sys
assert sys.argv[-2:] == ["download", "dataset-tiny"], sys.argv
{then}
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a stand-in for apt-get on PATH, before the programs of the system, that runs these lines of Python."""
    if sys.platform == "win32":
        pytest.skip("the stand-in for apt-get is a script that starts with #!")
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=":")

    def install(then: str) -> None:
        (programs / "apt-get").write_text(APT.format(python=sys.executable, then=then))
        (programs / "apt-get").chmod(0o755)

    return install


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that holds the file as gzip."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(CONTROL)
    (root / PACKAGE.folder).mkdir(parents=True)
    (root / PACKAGE.folder / f"{NAME}.gz").write_bytes(gzip.compress(CONTENT))
    path = tmp_path / "dataset-tiny_1.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", root, path], check=True, capture_output=True)
    return path


def fetch(name: str = NAME) -> bytes:
    with PACKAGE.open(FILE.size) as get:
        return get(name, FILE)


def test_file_of_a_package(apt: Callable[[str], None], package: Path) -> None:
    apt(f"shutil.copy({str(package)!r}, '.')")
    assert fetch() == CONTENT
    with pytest.raises(FileError, match=r"^./usr/share/datasets/tiny/other is no file of the package$"):
        fetch("other")


FAILURES = {
    "unknown package": (
        "sys.exit('E: Unable to locate package dataset-tiny')",
        r"^apt-get failed with exit code 1 \(E: Unable to locate package dataset-tiny\)$",
    ),
    "nothing": ("", "^apt-get download left no package$"),
    "no package": ("open('x.deb', 'wb').write(bytes(999))", r"^dpkg-deb failed with exit code 2 \(dpkg-deb: error"),
    "too much": (
        "import time\nwhile True: open('x.deb', 'ab').write(bytes(1 << 16)); time.sleep(.005)",
        r"^apt-get wrote more than the \d+ bytes that the package can have$",
    ),
}


@pytest.mark.parametrize(("then", "reason"), FAILURES.values(), ids=FAILURES.keys())
def test_apt_that_fails(apt: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, then: str, reason: str) -> None:
    if then.startswith("open") and not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    monkeypatch.setattr(client, "OTHER_FILES_BYTES", 1 << 20)
    apt(then)
    with pytest.raises(SourceError, match=reason) as caught:
        fetch()
    assert len(str(caught.value).splitlines()) == 1


def test_package_of_more_than_the_dataset(
    apt: Callable[[str], None], package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros compress well: the package is small, its files are not."""
    root = package.parent / "root"
    (root / PACKAGE.folder / "zeros").write_bytes(bytes(1 << 22))
    subprocess.run(["dpkg-deb", "--build", root, package], check=True, capture_output=True)
    monkeypatch.setattr(client, "OTHER_FILES_BYTES", 1 << 20)
    apt(f"shutil.copy({str(package)!r}, '.')")
    with pytest.raises(SourceError, match=r"^(its archive has|dpkg-deb wrote more than the) \d+ bytes"):
        fetch()


def test_apt_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"^apt-get is not installed$"):
        fetch()
