"""What tools write into a page stands between its marks; a page without them stays as it is."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.marks import require_marks, write_between

MARKS = ("<b>\n", "</b>\n")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page.md"


@pytest.mark.parametrize("new", ["new", "new\n"])
def test_only_what_is_between_the_marks_changes(new: str, page: Path) -> None:
    page.write_text("a\n<b>\nold\n</b>\nc\n")
    for _ in range(2):
        write_between(page, *MARKS, new)
        assert page.read_text() == "a\n<b>\nnew\n</b>\nc\n"


def test_a_page_that_is_not_there_is_made(page: Path) -> None:
    require_marks(page, *MARKS)
    write_between(page, *MARKS, "new")
    assert page.read_text() == "<b>\nnew\n</b>\n"


@pytest.mark.parametrize("text", ["", "<b>\nold\n", "</b>\nold\n<b>\n", "old </b>\n"])
def test_a_page_without_both_marks_in_their_order_is_refused_and_stays(text: str, page: Path) -> None:
    page.write_text(text)
    message = r"page\.md: expected the marks <b> and </b>, each on a line of its own; put them back, or get the page"
    with pytest.raises(UserError, match=message):
        require_marks(page, *MARKS)
    with pytest.raises(UserError, match=message):
        write_between(page, *MARKS, "new")
    assert page.read_text() == text
