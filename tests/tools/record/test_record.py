"""What `make record` says and when: hours of measuring are not lost by what comes after them."""

import argparse
import math
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.record import __main__ as tool
from tools.record.curve import Curve, Point

GOOD = Curve([Point(10, 4, 9), Point(20, 8, 2), Point(30, 12, 1.05)], 1.0, 13, processes=2)
WENT_WRONG = Curve([], math.nan, 2, processes=2)
OPTIONS = argparse.Namespace(recipe=None, seeds=3, processes=None, snapshot_kimg=None, enter="what changed")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Curve | UserError]:
    """What comes of each seed of a project in tmp_path, in which everything else is as a record asks."""
    results: list[Curve | UserError] = [GOOD, WENT_WRONG, GOOD]
    left = iter(results)

    def measure(*_: object) -> Curve:
        result = next(left)
        if isinstance(result, UserError):
            raise result
        return result

    monkeypatch.setattr(tool, "measure", measure)
    monkeypatch.setattr(tool, "device_of", lambda *_: "cpu")
    monkeypatch.setattr(tool, "commit", lambda _: "abc1234")
    monkeypatch.setattr(tool, "git", lambda *_: "")
    monkeypatch.setattr(tool, "require_recorded_files", lambda *_, **__: None)
    (tmp_path / "docs").mkdir()
    return results


def test_a_seed_that_went_wrong_never_gets_there(
    measured: list[Curve], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool.record(tmp_path, OPTIONS)
    out, err = capsys.readouterr()
    assert "record: seed 2: its training went wrong" in err
    assert "seed 2: seconds to multiples of the floor: never to 5, never to 2, never to 1.1; 2.0 in all" in out
    assert "; floor 1\n" in out
    assert "12.0,3,params.yaml,what changed,2," in (tmp_path / "docs" / "records.csv").read_text(encoding="utf-8")


def test_seeds_that_have_ended_are_told_if_a_later_one_fails(
    measured: list[Curve | UserError], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured[2] = UserError("train_gan failed")
    with pytest.raises(UserError, match="train_gan failed"):
        tool.record(tmp_path, OPTIONS)
    assert "seed 1: seconds to multiples of the floor: 8.0 to 5, 8.0 to 2, 12.0 to 1.1" in capsys.readouterr().out


def test_the_table_is_printed_before_it_is_written(
    measured: list[Curve], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(tool, "enter", full)
    with pytest.raises(OSError, match="full"):
        tool.record(tmp_path, OPTIONS)
    assert "| median |" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["to_5,to_2\n1,2\n", "<<<<<<< HEAD\n1,2\n", "\udcff"])
def test_damaged_records_are_refused_before_measuring(text: str, measured: list[Curve], tmp_path: Path) -> None:
    measured[:] = []  # no seed can be measured
    (tmp_path / "docs" / "records.csv").write_bytes(text.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(UserError, match=r"records\.csv: no table of records \(.*\); restore it with git$"):
        tool.record(tmp_path, OPTIONS)
