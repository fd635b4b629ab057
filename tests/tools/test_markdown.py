from tools.tables import markdown


def test_columns_are_aligned_and_figures_stand_to_the_right() -> None:
    table = markdown(["name", "ms"], [["one", "1.5"], ["another", "12.5 (3 - 4)"]])
    assert table.splitlines() == [
        "| name    |           ms |",
        "| ------- | -----------: |",
        "| one     |          1.5 |",
        "| another | 12.5 (3 - 4) |",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert markdown(["a", "file"], []).splitlines() == ["| a   | file |", "| --- | ---- |"]
