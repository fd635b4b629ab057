"""The figures as Markdown tables, for a terminal and for docs/speed.md."""

from collections.abc import Sequence

from tools.bench import cases, pipeline
from tools.bench.figures import Figure
from tools.tables import markdown

BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"
"""Around what the tool writes into docs/speed.md."""
TITLES = {
    cases.STEP: "A training step, beside the tutorial loop",
    cases.LIMIT: "A training step, beside its limit",
    cases.SHARES: "Shares of a training step",
    cases.BATCH: "Growth with the batch, 1 process of 1 thread",
    cases.WIDTH: "Growth with the width of the networks, 1 process of 1 thread",
    pipeline.GENERATE: "Growth with the number of samples: the stage generate, with its start-up",
    pipeline.STAGE_TIMES: "Stages, with their start-up",
    pipeline.EVALUATE: "Metrics of evaluate",
}
"""The groups in the order of the page, with the titles of their tables."""


def tables(figures: Sequence[Figure]) -> str:
    """A titled table for each group that has figures."""
    present = [group for group in TITLES if any(row.group == group for row in figures)]
    return "\n\n".join(
        f"### {TITLES[group]}\n\n{table([row for row in figures if row.group == group])}" for group in present
    )


def table(figures: Sequence[Figure]) -> str:
    """One group: a row for each case, a column for each unit, a dash for what was not measured."""
    names = list(dict.fromkeys(row.case for row in figures))
    units = list(dict.fromkeys(row.unit for row in figures))
    by_place = {(row.case, row.unit): cell(row) for row in figures}
    rows = [[name, *(by_place.get((name, unit), "-") for unit in units)] for name in names]
    return markdown(["", *units], rows)


def cell(figure: Figure) -> str:
    """The median, with the range over the rounds in brackets if there is one."""
    value, low, high = map(number, (figure.value, figure.low, figure.high))
    return value if low == high else f"{value} ({low} - {high})"


def number(value: float) -> str:
    """Three significant digits, thousands in full."""
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2 if abs(value) >= 0.9995 else 3
    return f"{value:.{decimals}f}"
