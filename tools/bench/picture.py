"""The figures as bars with their range over the rounds."""

from collections.abc import Sequence
from pathlib import Path

from stages.evaluation.drawing import Axes, new_figure
from tools.bench import cases, pipeline
from tools.bench.figures import Figure
from tools.bench.report import TITLES

PANELS = (
    (cases.STEP, "images/s"),
    (cases.SHARES, "% of a step"),
    (cases.LIMIT, "ms"),
    (cases.BATCH, "images/s"),
    (cases.WIDTH, "images/s"),
    (pipeline.GENERATE, "images/s"),
    (pipeline.STAGE_TIMES, "s"),
    (pipeline.EVALUATE, f"s, {pipeline.EVALUATED[-1]:,} samples"),
)
"""Group and unit of each panel."""
INCHES_OF_A_BAR, INCHES_OF_A_PANEL = 0.24, 0.9


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Write a PNG with a panel for each group that has figures."""
    panels = [
        (group, unit, [row for row in figures if (row.group, row.unit) == (group, unit)]) for group, unit in PANELS
    ]
    panels = [panel for panel in panels if panel[2]]
    heights = [INCHES_OF_A_PANEL + INCHES_OF_A_BAR * len(rows) for _, _, rows in panels]
    picture = new_figure(9, sum(heights))
    all_axes = picture.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (group, unit, rows) in zip(all_axes, panels, strict=True):
        bars(axes, rows)
        axes.set_title(TITLES[group], loc="left", fontsize=10)
        axes.set_xlabel(unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path)


def bars(axes: Axes, figures: Sequence[Figure]) -> None:
    """A horizontal bar for each figure, the first on top, and a line from its lowest to its highest round."""
    values = [figure.value for figure in figures]
    below = [figure.value - figure.low for figure in figures]
    above = [figure.high - figure.value for figure in figures]
    axes.barh(range(len(figures)), values, xerr=[below, above], color="#4c78a8", ecolor="#222222")
    axes.set_yticks(range(len(figures)), [figure.case.strip("`") for figure in figures])
    axes.invert_yaxis()
    axes.margins(y=0.02)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
