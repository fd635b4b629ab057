"""docs/gpu.md from figures, and that the committed page holds none that nobody measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from tools.gpu.page import BEGIN, END, described, write_page
from tools.tables import cells

ROOT = Path(__file__).parents[3]
PHASES: dict[str, dict[str, Any]] = {
    "machine": {"ok": True, "environment": {"gpu": {"model": "H", "driver": None}, "versions": {"torch": "2.15.0"}}},
    "first": {"ok": True, "seconds_of_training": 12.34},
    "again": {"ok": True, "seconds_of_training": 12.0, "same_bytes": True},
    "eager": {"ok": False, "error": "other bytes"},
    "speed_graph": {"ok": True, "images_per_s": 100_000.4, "step_ms": 1.28, "share_in_kernels": 0.876},
    "quality": {"ok": True, "verdict": "all 12 metrics are within", "table": "| a |\n| - |"},
}


def test_figures_are_where_they_belong() -> None:
    text = described(PHASES)
    assert "On model H, torch 2.15.0." in text
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if "|" in line
    }
    assert rows["by CUDA graphs"] == ["12.3", ""]
    assert rows["the same again"] == ["12.0", "same"]
    assert rows["each kernel by itself"] == ["", "failed"]
    assert rows["CUDA graphs"] == ["100000", "1.280", "", "88%", ""]
    assert "In float32: all 12 metrics are within." in text
    assert "What failed: eager (other bytes)." in text


def test_a_training_that_was_compared_with_nothing_is_not_called_the_same() -> None:
    text = described({"again": {"ok": True, "seconds_of_training": 1.0, "bytes": "nothing to compare with"}})
    assert cells(text)[-1] == ["the same again", "1.0", "nothing to compare with"]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "docs" / "gpu.md"
    path.parent.mkdir()
    path.write_text(f"before\n{BEGIN}old\n{END}\nafter\n", encoding="utf-8")
    return path


def result_with(folder: Path, content: object) -> Path:
    path = folder / "gpu.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_page_keeps_what_is_around_the_figures(page: Path, tmp_path: Path) -> None:
    result = result_with(tmp_path, {"rehearsal": False, "phases": PHASES})
    for _ in range(2):
        write_page(tmp_path, result)
        assert page.read_text() == f"before\n{BEGIN}{described(PHASES)}{END}\nafter\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"rehearsal": fal', r"gpu\.json: expected what `make gpu` writes \(JSONDecodeError: .*\); run it again$"),
        ([], r"gpu\.json: expected what .* \(TypeError: "),
        ({"rehearsal": False}, r"gpu\.json: expected what .* \(KeyError: 'phases'\)"),
        ({"rehearsal": False, "phases": {"first": {}}}, r"gpu\.json: expected what .* \(KeyError: 'ok'\)"),
        ({"rehearsal": False, "phases": {"first": 3}}, r"gpu\.json: expected what "),
        ({"rehearsal": False, "phases": {"first": {"ok": True, "seconds_of_training": "x"}}}, r"\(ValueError: "),
        ({"rehearsal": True, "phases": {}}, r"gpu\.json is of a rehearsal on the CPU"),
    ],
)
def test_what_are_no_figures_is_refused_in_one_line(content: object, message: str, page: Path, tmp_path: Path) -> None:
    before = page.read_text()
    with pytest.raises(UserError, match=message) as caught:
        write_page(tmp_path, result_with(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert page.read_text() == before


def test_figures_that_are_missing_are_made_by_a_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gpu\.json is missing; `make gpu` writes it"):
        write_page(tmp_path, tmp_path / "gpu.json")


def test_the_committed_page_has_its_marks() -> None:
    text = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    figures = text.partition(BEGIN)[2].partition(END)[0]
    assert figures.startswith("No figures yet: there was no GPU") or "| the default training" in figures
