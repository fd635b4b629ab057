"""make wide: the table, its place in the page, and both stages for real."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools import wide
from tools.cost import Cost
from tools.wide import Row, measured, small_networks, table, with_table

ROW = Row("small", 2_000_000, 2, 1_584_000_000, Cost(100.0, 90.0, 700.4), Cost(200.0, 190.0, 1500.0))


def test_a_row_has_rates_by_the_clock_and_memory_of_each_stage() -> None:
    header, _, cells = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table([ROW]).strip().splitlines()
    )
    assert dict(zip(header[:4], cells, strict=False)) == {
        "networks": "small", "samples": "2,000,000", "files": "2", "GB": "1.58",
    }  # fmt: skip
    assert cells[4:] == ["100", "20,000", "700", "200", "10,000", "1500"]


def test_the_table_takes_the_place_of_the_one_in_the_page() -> None:
    page = wide.PAGE.read_text(encoding="utf-8")
    text = table([ROW])
    changed = with_table(page, text)
    assert with_table(changed, "") == with_table(page, "")
    assert changed.count(text) == 1
    with pytest.raises(
        UserError, match=r"wide\.md: expected the marks <!-- wide --> and <!-- /wide --> around a table"
    ):
        with_table("no mark", text)


@pytest.mark.slow
def test_both_stages_run_and_nothing_is_left_out(normalized: Path, tmp_path: Path) -> None:
    small_networks(normalized, tmp_path / "data")
    row = measured(1200, tmp_path / "data", tmp_path, "small")
    assert (row.samples, row.files) == (1200, 1)
    assert row.size == pytest.approx(1200 * 792, abs=1000)
    for cost in (row.generate, row.evaluate):
        assert cost.wall_s > 0
        assert cost.peak_mib > 100
