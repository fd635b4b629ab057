"""The table of recipes, from made-up results."""

import csv
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tests.tools.gans.test_result import result
from tools.gans.page import BEGIN, CONDITIONS, END, csv_of, read_csv, stacks, table, write_page
from tools.tables import cells

ROOT = Path(__file__).parents[3]
STACKED = result(
    "stacked",
    metrics={"modes_found": {"value": 998.0, "ratio": None}, "reverse_kl": {"value": 0.05, "ratio": 2.13}},
    num_classes=1000,
)


def test_the_nearest_to_the_floor_comes_first_and_seeds_are_one_row() -> None:
    runs = [
        result("wgan", distance=9.0),
        result("hinge", 1, 2.0),
        result("hinge", 2, 4.0),
        result("lost", distance=None),
    ]
    header, _, *rows = cells(table(runs))
    distance = header.index("distance / floor")
    assert [row[0].partition("]")[0] for row in rows] == ["[hinge", "[wgan", "[lost"]
    assert [row[distance] for row in rows] == ["3.00 (2.00 - 4.00)", "9.00", "-"]
    assert [row[header.index("seeds")] for row in rows] == ["2", "1", "1"]


def test_signs_of_any_seed_are_named_once() -> None:
    runs = [result(signs="collapse"), result(seed=2, signs="collapse class_lost"), result(seed=3)]
    assert cells(table(runs))[-1][-1] == "class_lost, collapse"
    assert cells(table([result()]))[-1][-1] == "none"


def test_cas_is_shown_only_if_all_seeds_have_it() -> None:
    header, _, row = cells(table([result(cas=0.99), result(seed=2, cas=0.98)]))
    assert row[header.index("CAS")] == "98.50% (98.00% - 99.00%)"
    assert cells(table([result(cas=0.99), result(seed=2)]))[-1][header.index("CAS")] == "-"


def test_the_csv_has_a_row_for_each_run() -> None:
    rows = list(csv.DictReader(csv_of([result(), result(seed=2, distance=None, signs="a b")]).splitlines()))
    assert [row["seed"] for row in rows] == ["1", "2"]
    assert [row["fd_classifier_ratio"] for row in rows] == ["2", ""]
    assert rows[1]["signs"] == "a b"


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    runs = [
        result(cas=0.99, signs="a b"),
        result(seed=2, distance=None, metrics={"modes_found": {"value": 7.0, "ratio": None}}),
        STACKED,
    ]
    path = tmp_path / "gans.csv"
    path.write_text(csv_of(runs))
    again = read_csv(path)
    assert csv_of(again) == csv_of(runs)
    assert table(again) == table(runs)
    assert stacks(again) == stacks(runs)
    assert again[2].ratio("reverse_kl") == 2.13
    assert {type(run.kimg) for run in again} == {float}
    assert read_csv(tmp_path / "none.csv") == []


NO_TABLES = {
    "columns": "recipe,seed\nhinge,1\n",
    "seed": csv_of([result()]).replace("hinge,1,", "hinge,first,"),
    "field": f'"{"a" * 200_000}"\n',
}


@pytest.mark.parametrize("text", NO_TABLES.values(), ids=NO_TABLES)
def test_what_is_no_table_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gans.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"gans.csv: no table of runs \(.*\); restore it with git$") as caught:
        read_csv(path)
    assert "\n" not in str(caught.value)


def test_rows_of_other_recipes_stay_and_those_of_the_same_are_replaced(tmp_path: Path) -> None:
    names = ("hinge", "wgan")
    write_page(tmp_path, [result("wgan", distance=9.0), result("hinge", distance=4.0)], {}, names, {})
    write_page(tmp_path, [result("hinge", distance=2.0, commit="def5678")], {}, names, {})
    header, _, *rows = cells(table(read_csv(tmp_path / "gans.csv")))
    shown = [(row[0].partition("]")[0], row[2], row[header.index("commit")]) for row in rows]
    assert shown == [("[hinge", "2.00", "def5678"), ("[wgan", "9.00", "abc1234")]


def test_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "gans.md"
    page.write_text(f"# Title\n\n{BEGIN}old\n{END}\nafter\n")
    write_page(tmp_path, [result()], {"hinge": b"png"}, ["hinge"], {})
    text = page.read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}{CONDITIONS} On a processor, 2 cores.\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert (tmp_path / "gans" / "hinge.png").read_bytes() == b"png"
    assert "](gans/hinge.png)" in text


def test_modes_of_stacks_and_failed_recipes_have_lines_of_their_own(tmp_path: Path) -> None:
    write_page(tmp_path, [STACKED, result()], {}, ["stacked", "hinge"], {"kmnist": "kmnist: out of reach"})
    lines = (tmp_path / "gans.md").read_text().splitlines()
    assert "stacked, seed 1: 998 of 1000 modes, reverse KL 0.050 (2.1 times that of real stacks)." in lines
    assert "Not in the table: kmnist: out of reach." in lines
    assert not any(line.startswith("hinge, seed") for line in lines)


def test_a_table_of_an_earlier_version_has_no_ratio_of_stacks(tmp_path: Path) -> None:
    path = tmp_path / "gans.csv"
    path.write_text(csv_of([STACKED]).replace("reverse_kl_ratio", "unknown"))
    assert stacks(read_csv(path)) == "\nstacked, seed 1: 998 of 1000 modes, reverse KL 0.050.\n"


def test_the_page_says_of_how_many_recipes_it_has_rows() -> None:
    text = (ROOT / "docs/gans.md").read_text(encoding="utf-8")
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.txt")}
    rows = {result.recipe for result in read_csv(ROOT / "docs/gans.csv")} & recipes
    assert f"measured in one way: {len(rows)} of {len(recipes)} so far." in text
