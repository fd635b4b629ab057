"""What tools write into pages of docs/: the text between two marks, around which everything stays."""

from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_text


def require_marks(page: Path, begin: str, end: str) -> None:
    """Raise UserError if the page has not both marks: to be called before hours of measuring. No page is no mistake."""
    if page.exists():
        inserted(page, page.read_text(encoding="utf-8"), begin, end, "")


def inserted(page: Path, text: str, begin: str, end: str, new: str) -> str:
    """The text of a page with `new`, which ends its last line, between the two marks, in place of what was there.

    Raises UserError if it has not both marks.
    """
    before, first, rest = text.partition(begin)
    _, second, after = rest.partition(end)
    if not first or not second:
        raise UserError(
            f"{page}: expected the marks {begin.strip()} and {end.strip()}, each on a line of its own; put them back, "
            "or get the page back from Git"
        )
    return f"{before}{begin}{new.rstrip()}\n{end}{after}" if new else f"{before}{begin}{end}{after}"


def write_between(page: Path, begin: str, end: str, new: str) -> None:
    """Write `new` between the marks of a page; a page that is not there is made of it alone.

    Raises UserError if the page has not both marks.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else f"{begin}{end}"
    write_text(page, inserted(page, text, begin, end, new))
