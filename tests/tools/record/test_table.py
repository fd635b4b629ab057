"""The table of records, and what may not be entered."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.record.curve import Curve, Point
from tools.record.table import BEGIN, END, Entry, enter, new_entry, read_entries, require_record, runs_table
from tools.tables import cells

FAST = Curve([Point(10, 4.04, 9), Point(20, 8, 2), Point(30, 12, 1.05)], 1.0, 13, processes=2)
SLOW = Curve([Point(10, 6, 9), Point(20, 12, 4)], 1.0, 20, processes=2)


def test_the_seeds_beside_their_median() -> None:
    rows = cells(runs_table([FAST, SLOW, FAST]))
    assert rows[2][1:] == ["8.0 (20 kimg)", "8.0 (20 kimg)", "12.0 (30 kimg)", "13.0", "1.05"]
    assert rows[3][1:] == ["12.0 (20 kimg)", "never", "never", "20.0", "4.00"]
    assert rows[5][:4] == ["median", "8.0", "8.0", "12.0"]


def test_an_entry_is_the_median() -> None:
    entry = new_entry([SLOW, FAST, SLOW], "recipes/fast.txt", "less work", "machine", "abc1234")
    assert (entry.to_5, entry.to_2, entry.to_1_1, entry.seeds, entry.processes) == ("12.0", "never", "never", 3, 2)


def test_too_few_seeds_and_uncommitted_code_are_refused() -> None:
    with pytest.raises(UserError, match="at least 3 seeds, found 1"):
        require_record(1, "abc1234")
    with pytest.raises(UserError, match=r"commit code, params and recipe first, found abc1234\+"):
        require_record(3, "abc1234+")
    require_record(3, "abc1234")


def test_records_are_kept_with_the_fastest_first(tmp_path: Path) -> None:
    """A table is written again from all records; the page's own text stays."""
    page = tmp_path / "speed.md"
    page.write_text(f"before\n{BEGIN}{END}after\n")
    for to_1_1, change in (("never", "a"), ("90.0", 'b, "quoted"'), ("45.5", "c | d")):
        enter(tmp_path, Entry("10.0", "20.0", to_1_1, 3, "params.yaml", change, 2, "a machine, 2 cores", "abc1234"))
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}| ")
    assert text.endswith(f"{END}after\n")
    assert [row["to_1_1"] for row in read_entries(tmp_path / "records.csv")] == ["45.5", "90.0", "never"]
    assert read_entries(tmp_path / "records.csv")[1]["change"] == 'b, "quoted"'
    rows = cells(text)
    assert [row[2] for row in rows[2:]] == ["45.5", "90.0", "never"]
    assert rows[3][-2:] == ["a machine, 2 cores, 2 processes", "abc1234"]
