"""docs/gpu.md from figures, and that the committed page holds none that nobody measured."""

from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from tools.gpu.page import BEGIN, END, described, with_figures

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


def test_the_page_keeps_what_is_around_the_figures() -> None:
    page = f"before\n{BEGIN}old\n{END}\nafter\n"
    written = with_figures(page, {"phases": PHASES})
    assert written.startswith(f"before\n{BEGIN}On model H")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert with_figures(written, {"phases": PHASES}) == written


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(UserError, match=r"^docs/gpu.md: expected the marks"):
        with_figures("nothing", {"phases": {}})


def test_the_committed_page_has_its_marks() -> None:
    text = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    figures = text.partition(BEGIN)[2].partition(END)[0]
    assert figures.startswith("No figures yet: there was no GPU") or "| the default training" in figures
