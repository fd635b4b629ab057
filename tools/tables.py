"""Markdown tables with aligned columns, for terminals and for the job summaries of a CI."""

from collections.abc import Sequence


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    columns = [[row[i] for row in (header, *rows)] for i in range(len(header))]
    lines = zip(*map(_aligned, columns), strict=True)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(text: str) -> list[list[str]]:
    """The cells of all rows of the Markdown tables in a text, including headers and rules."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def _aligned(cells: list[str]) -> list[str]:
    """A column: the header, the rule below it, and the cells."""
    width = max(3, *map(len, cells))
    if len(cells) > 1 and all(map(_is_figure, cells[1:])):
        head, *rest = (cell.rjust(width) for cell in cells)
        return [head, "-" * (width - 1) + ":", *rest]
    head, *rest = (cell.ljust(width) for cell in cells)
    return [head, "-" * width, *rest]


def _is_figure(cell: str) -> bool:
    """Whether a cell is a number, a range, a number in brackets, or a dash for no value."""
    return not cell.strip("0123456789.,-+ ()e")
