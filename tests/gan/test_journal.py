"""What is finished is written once, found again, and never mistaken."""

import hashlib
import os
import shutil
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from stages.gan import journal as module
from stages.gan.journal import Journal
from stages.gan.regular_files import write_all

RECORDS = {"picture.real.png": b"real", "snapshot.20": bytes(5000), "history.3": b"1,2\n", "snapshot.40": b""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "finished.journal"


def with_records(names: list[str]) -> Journal:
    journal = Journal()
    for name in names:
        journal.add(name, RECORDS[name])
    return journal


def contents(journal: Journal) -> dict[str, bytes]:
    return {name: journal.read(name) for name in journal.names()}


def test_what_is_written_is_found_again_in_order(path: Path) -> None:
    journal = with_records(list(RECORDS))
    assert contents(journal) == RECORDS
    mark = journal.write(path)
    assert journal.waiting_bytes == 0
    assert mark == {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    other = Journal()
    other.add("picture.real.png", b"forgotten")
    other.take_up(path, mark)
    for found in (journal, other):
        assert list(contents(found).items()) == list(RECORDS.items())
        assert found.names("snapshot.") == ["snapshot.20", "snapshot.40"]
        found.close()


def test_only_what_is_new_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the file already."""
    written: list[int] = []

    def write_and_count(file: FileIO, piece: bytes) -> None:
        written.append(len(piece))
        write_all(file, piece)

    monkeypatch.setattr(module, "write_all", write_and_count)
    journal, sizes = Journal(), []
    for number in range(50):
        journal.add(f"snapshot.{number:03}", bytes(1000))
        journal.write(path)
        sizes.append(sum(written))
        written.clear()
    assert len(set(sizes)) == 1
    journal.write(path)
    assert written == []
    journal.close()


def test_an_earlier_mark_stays_good_and_what_follows_it_is_written_anew(path: Path) -> None:
    journal = with_records(["picture.real.png"])
    early = journal.write(path)
    journal.add("snapshot.20", b"of a run that went on")
    late = journal.write(path)
    journal.close()
    again = Journal()
    again.take_up(path, early)
    assert contents(again) == {"picture.real.png": b"real"}
    again.add("snapshot.20", b"again")
    mark = again.write(path)
    assert contents(again) == {"picture.real.png": b"real", "snapshot.20": b"again"}
    with pytest.raises(ValueError, match="relies on"):
        Journal().take_up(path, late)
    again.take_up(path, mark)
    again.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete what is open")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_deleted_meanwhile_comes_back_with_all_of_it(path: Path, replaced: bool) -> None:
    journal = with_records(["picture.real.png", "snapshot.20"])
    journal.write(path)
    shutil.rmtree(path.parent)
    if replaced:
        path.parent.mkdir()
        path.write_bytes(b"something else")
    assert journal.read("snapshot.20") == RECORDS["snapshot.20"]
    journal.add("history.3", b"1,2\n")
    mark = journal.write(path)
    journal.close()
    again = Journal()
    again.take_up(path, mark)
    assert contents(again) == {name: RECORDS[name] for name in ("picture.real.png", "snapshot.20", "history.3")}
    again.close()


@pytest.mark.parametrize("where", ["write_all", "fsync"])
def test_what_cannot_be_written_waits(path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    journal = with_records(["picture.real.png"])
    journal.write(path)
    journal.add("snapshot.20", RECORDS["snapshot.20"])
    with monkeypatch.context() as patch:
        patch.setattr(*((os, "fsync") if where == "fsync" else (module, "write_all")), fail)
        with pytest.raises(OSError, match="No space"):
            journal.write(path)
    assert contents(journal) == {name: RECORDS[name] for name in ("picture.real.png", "snapshot.20")}
    mark = journal.write(path)
    journal.close()
    again = Journal()
    again.take_up(path, mark)
    assert again.names() == ["picture.real.png", "snapshot.20"]
    again.close()


def test_a_single_byte_is_noticed_anywhere(path: Path) -> None:
    journal = with_records(["picture.real.png", "history.3"])
    mark = journal.write(path)
    journal.close()
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="rel"):
            Journal().take_up(path, mark)
        path.write_bytes(whole[:place])
        with pytest.raises(ValueError, match="rel"):
            Journal().take_up(path, mark)


def test_a_change_under_an_open_file_never_becomes_a_result(path: Path) -> None:
    journal = with_records(["picture.real.png", "snapshot.20"])
    journal.write(path)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert journal.read("picture.real.png") == b"real"
    with pytest.raises(UserError, match=r"snapshot\.20 was changed or lost on disk while training; run `dvc repro`"):
        journal.read("snapshot.20")
    journal.close()


MARKS: list[Any] = [None, {}, [], {"bytes": 1}, {"bytes": True, "sha256": ""}, {"bytes": "1", "sha256": ""}, 5, "x"]


@pytest.mark.parametrize("mark", [*MARKS, {"bytes": -1, "sha256": "0"}, {"bytes": 2**70, "sha256": "0"}])
def test_a_mark_that_says_nothing_is_refused_and_changes_nothing(path: Path, mark: Any) -> None:
    with_records(list(RECORDS)).write(path)
    journal = with_records(["history.3"])
    with pytest.raises(ValueError, match="relies on"):
        journal.take_up(path, mark)
    assert contents(journal) == {"history.3": b"1,2\n"}
