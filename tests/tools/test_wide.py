"""make wide: the table, its place in the page, and both stages for real."""

import sys
from pathlib import Path

import pytest

from tools import wide
from tools.cost import Cost
from tools.wide import Row, measured, small_networks, table

ROW = Row("small", 2_000_000, 2, 1_584_000_000, Cost(100.0, 90.0, 700.4), Cost(200.0, 190.0, 1500.0))


def test_a_row_has_rates_by_the_clock_and_memory_of_each_stage() -> None:
    header, _, cells = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table([ROW]).strip().splitlines()
    )
    assert dict(zip(header[:4], cells, strict=False)) == {
        "networks": "small", "samples": "2,000,000", "files": "2", "GB": "1.58",
    }  # fmt: skip
    assert cells[4:] == ["100", "20,000", "700", "200", "10,000", "1500"]


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["wide", *arguments])
    wide.main()


def test_the_table_takes_the_place_of_the_one_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed, page = wide.PAGE.read_text(encoding="utf-8"), tmp_path / "wide.md"
    page.write_text(committed, encoding="utf-8")
    monkeypatch.setattr(wide, "ROOT", tmp_path)
    monkeypatch.setattr(wide, "PAGE", page)
    monkeypatch.setattr(wide, "measure_all", lambda *_: table([ROW]) + "\nCores: 3.\n")
    called(monkeypatch, "2000000", "--enter", "--scratch", str(tmp_path))
    head, _, rest = committed.partition(wide.BEGIN)
    tail = rest.partition(wide.END)[2]
    assert page.read_text(encoding="utf-8") == f"{head}{wide.BEGIN}{table([ROW])}\nCores: 3.\n{wide.END}{tail}"


def test_what_would_fail_at_the_end_is_said_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured_in_vain(*_: object) -> str:
        raise AssertionError("it measured")

    page = tmp_path / "wide.md"
    page.write_text("no mark", encoding="utf-8")
    monkeypatch.setattr(wide, "ROOT", tmp_path)
    monkeypatch.setattr(wide, "PAGE", page)
    monkeypatch.setattr(wide, "measure_all", measured_in_vain)
    with pytest.raises(SystemExit, match=r"^wide: .*wide\.md: expected the marks <!-- wide --> and "):
        called(monkeypatch, "100", "--enter")
    with pytest.raises(SystemExit, match=r"^wide: --scratch: expected a folder that is there, found .*nowhere$"):
        called(monkeypatch, "100", "--scratch", str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_both_stages_run_and_nothing_is_left_out(normalized: Path, tmp_path: Path) -> None:
    small_networks(normalized, tmp_path / "data")
    row = measured(1200, tmp_path / "data", tmp_path, "small")
    assert (row.samples, row.files) == (1200, 1)
    assert row.size == pytest.approx(1200 * 792, abs=1000)
    for cost in (row.generate, row.evaluate):
        assert cost.wall_s > 0
        assert cost.peak_mib > 100
