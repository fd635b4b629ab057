"""Figures as CSV, tables, a page and a picture."""

from pathlib import Path

import pytest
from PIL import Image

from tools.bench import cases, pipeline
from tools.bench.__main__ import write
from tools.bench.figures import Figure, csv_text
from tools.bench.report import TITLES, cell, number, tables
from tools.tables import cells

FIGURES = [
    Figure(cases.STEP, "one", "images/s", 2000, 1900, 2100.4),
    Figure(cases.STEP, "one", "start-up, s", 2.5, 2.5, 2.5),
    Figure(cases.STEP, "two", "images/s", 1.5, 1, 2),
    Figure(cases.SHARES, "draws", "% of a step", 0.25, 0.2, 0.31),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (999.4, "999"), (99.94, "99.9"), (9.994, "9.99"), (0.0512, "0.051"), (-0.2, "-0.200")],
)
def test_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_cell_has_the_range_if_there_is_one() -> None:
    assert cell(FIGURES[0]) == "2,000 (1,900 - 2,100)"
    assert cell(FIGURES[1]) == "2.50"


def test_a_table_for_each_group_with_a_dash_for_what_is_missing() -> None:
    rows = cells(tables(FIGURES))
    assert rows[0] == ["", "images/s", "start-up, s"]
    assert rows[3] == ["two", "1.50 (1.00 - 2.00)", "-"]
    assert rows[-1] == ["draws", "0.250 (0.200 - 0.310)"]


def test_every_group_has_a_title() -> None:
    training = {case.group for case in cases.all_cases(2, 1, 1)}
    assert set(TITLES) == training | {pipeline.GENERATE, pipeline.STAGE_TIMES, pipeline.EVALUATE}


def test_csv_has_a_row_for_each_figure() -> None:
    lines = csv_text(FIGURES).splitlines()
    assert lines[0] == "group,case,unit,value,low,high"
    assert lines[1] == "step,one,images/s,2000,1900,2100"
    assert lines[2] == 'step,one,"start-up, s",2.5,2.5,2.5'
    assert len(lines) == 5


def test_the_page_keeps_its_text_and_the_picture_has_its_panels(tmp_path: Path) -> None:
    (tmp_path / "speed.md").write_text("# Speed\n\n<!-- bench -->\n<!-- /bench -->\n\n## Records\n")
    write(tmp_path, FIGURES, "Measured here.")
    page = (tmp_path / "speed.md").read_text()
    assert page.startswith("# Speed\n\n<!-- bench -->\nMeasured here.\n")
    assert page.endswith("<!-- /bench -->\n\n## Records\n")
    with Image.open(tmp_path / "speed.png") as picture:
        width, height = picture.size
    write(tmp_path, FIGURES[:3], "Measured here.")
    with Image.open(tmp_path / "speed.png") as picture:
        assert picture.size[0] == width
        assert picture.size[1] < height  # without the panel of the shares
