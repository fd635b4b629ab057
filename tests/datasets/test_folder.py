"""Folders of this machine: names that people have, the checksum that decides, and files that are none."""

import gzip
import os
import socket
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from stages.datasets.sources import folder as folders
from stages.datasets.sources.base import File, FileError, Source, SourceError
from stages.datasets.sources.folder import Folder
from stages.datasets.sources.mirror import Mirror
from stages.datasets.sources.named import named_source

NAME = "train-images-idx3-ubyte"
CONTENT = b"\x00\x00\x08\x01\x00\x00\x00\x02" + bytes(range(256)) * 20
PACKED = gzip.compress(CONTENT)
FILE = File(len(CONTENT), sha256(CONTENT).hexdigest())
needs_fifos = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs and no devices among files")


def fetch(source: Source) -> bytes:
    with source.open(FILE.size) as get:
        return get(NAME, FILE)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


NAMES = [
    NAME,
    f"{NAME}.gz",
    "train-images.idx3-ubyte",
    "train-images.idx3-ubyte.gz",
    f"{NAME}/{NAME}",
    "train-images-idx3-ubyte/train-images.idx3-ubyte",
    f"MNIST/raw/{NAME}",
    f"MNIST/raw/{NAME}.gz",
    f"raw/{NAME}",
    "TRAIN_IMAGES.IDX3_UBYTE",
    "my digits.bin",
    "archive/training set/x.gz",
]


@pytest.mark.parametrize("content", [CONTENT, PACKED], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", NAMES)
def test_file_under_whatever_name(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / name, content)
    assert fetch(Folder(tmp_path)) == CONTENT


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "raw" / "x", CONTENT)
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "MNIST").symlink_to(tmp_path / "disk")
    (tmp_path / "named" / "again").symlink_to(tmp_path / "named")
    assert fetch(Folder(tmp_path / "named")) == CONTENT


def test_checksum_decides_between_files_of_one_name(tmp_path: Path) -> None:
    """Fashion-MNIST's files, for one, have MNIST's names and sizes."""
    write(tmp_path / NAME, CONTENT[::-1])
    write(tmp_path / f"{NAME}.gz", b"\x1f\x8b garbage")
    write(tmp_path / "fashion" / "raw" / NAME, gzip.compress(CONTENT[::-1]))
    write(tmp_path / "MNIST" / "raw" / NAME, CONTENT)
    assert fetch(Folder(tmp_path)) == CONTENT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT[:-1], f"expected SHA-256 {FILE.sha256}, found .{{64}} in {len(CONTENT) - 1} bytes"),
        (PACKED[:-9], "its gzip data is broken .it ends too early"),
        (PACKED + b"garbage", "its gzip data is broken"),
        (gzip.compress(bytes(1 << 24)), f"its gzip data holds more than the {FILE.limit} bytes allowed"),
        (b"", "expected SHA-256 .*, found e3b0c442.* in 0 bytes"),
    ],
)
def test_wrong_file(tmp_path: Path, content: bytes, reason: str) -> None:
    write(tmp_path / f"{NAME}.gz", content)
    with pytest.raises(FileError, match=f"^{reason}"):
        fetch(Folder(tmp_path))


def test_folder_without_the_file(tmp_path: Path) -> None:
    write(tmp_path / "other", b"other")
    with pytest.raises(FileError, match=rf"^neither {NAME} nor {NAME}.gz is in the folder$"):
        fetch(Folder(tmp_path))


def test_zeros_and_members_after_gzip_are_read_as_gzip_reads_them(tmp_path: Path) -> None:
    halves = [gzip.compress(CONTENT[:100]), gzip.compress(CONTENT[100:])]
    content = halves[0] + bytes(20_000) + halves[1] + bytes(7)
    write(tmp_path / NAME, content)
    assert fetch(Folder(tmp_path)) == gzip.decompress(content) == CONTENT


@pytest.mark.parametrize("size", [FILE.limit + 1, 100 << 30])
def test_large_file_is_not_read(tmp_path: Path, size: int) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(size)  # a sparse file
    with pytest.raises(FileError, match=f"^has {size} bytes, more than the {FILE.limit} allowed$"):
        fetch(Folder(tmp_path))


@needs_fifos
def test_what_is_no_regular_file_neither_hangs_nor_hides_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may have 104 bytes on macOS
    os.mkfifo(tmp_path / NAME)
    (tmp_path / f"{NAME}.gz").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(FileError, match=r"^is not a regular file$"):
            fetch(Folder(tmp_path))
        write(tmp_path / "below" / NAME, CONTENT)
        assert fetch(Folder(tmp_path)) == CONTENT


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root reads everything, and so do all on Windows")
def test_unreadable_file(tmp_path: Path) -> None:
    write(tmp_path / NAME, CONTENT)
    (tmp_path / NAME).chmod(0)
    with pytest.raises(FileError, match=r"^cannot be read \(Permission denied\)$"):
        fetch(Folder(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_read_error_is_the_files_fault(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to("/proc/self/mem")
    with pytest.raises(FileError, match=r"^(cannot be read|expected SHA-256)"):
        fetch(Folder(tmp_path))


def test_search_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_ENTRIES", 5)
    for number in range(5):
        (tmp_path / f"a{number}").mkdir()
    write(tmp_path / "b" / NAME, CONTENT)
    with pytest.raises(FileError, match="is in the folder"):
        fetch(Folder(tmp_path))
    write(tmp_path / f"{NAME}.gz", CONTENT)  # by its name it is found among any number of files
    assert fetch(Folder(tmp_path)) == CONTENT


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("http://mirror/mnist", Mirror("http://mirror/mnist")),
        ("HTTP://mirror/mnist", Mirror("http://mirror/mnist")),
        ("HttpS://mirror/Mnist/", Mirror("https://mirror/Mnist/")),
        (".", Folder(Path())),
        ("http", Folder(Path("http"))),
        ("file:///data/my%20digits", Folder(Path("/data/my digits"))),
        ("FILE://localhost/data", Folder(Path("/data"))),
        ("file:/data", Folder(Path("/data"))),
        (r"C:\digits", Folder(Path(r"C:\digits"))),
    ],
)
def test_named_source(name: str, source: Source) -> None:
    assert named_source(name) == source


@pytest.mark.parametrize("name", ["no/such/folder", "file:///no/such", __file__, "a" * 5000])
def test_name_that_is_no_folder(name: str) -> None:
    with pytest.raises(SourceError, match=r"^(neither a folder that exists nor an http\(s\) address|cannot be read)"):
        fetch(named_source(name))


@pytest.mark.parametrize(
    "name", ["ftp://u:hunter2@mirror", "https:/u:hunter2@h", "file://server/hunter2", "s3://hunter2"]
)
def test_address_of_another_kind_is_refused_without_showing_it(name: str) -> None:
    source = named_source(name)
    with pytest.raises(SourceError, match=r"^neither a folder that exists nor an http\(s\) address$"):
        fetch(source)
    assert "hunter2" not in f"{source} {source!r}"


@needs_fifos
def test_fifo_as_the_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError, match="neither a folder"):
        fetch(Folder(tmp_path / "fifo"))
