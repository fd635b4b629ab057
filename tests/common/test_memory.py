"""How much memory a process can get."""

from pathlib import Path

from stages.common.memory import free_memory, memory_limit


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("1000\n", encoding="ascii")
    (tmp_path / "none").write_text("max\n", encoding="ascii")
    assert memory_limit((tmp_path / "absent", tmp_path / "none", tmp_path / "limit")) == 1000
    assert memory_limit((tmp_path / "none",)) > 1000


def test_no_more_is_free_than_there_is() -> None:
    assert 0 < free_memory() <= memory_limit()
