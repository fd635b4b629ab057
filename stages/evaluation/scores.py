"""One figure: its value, or why it has none."""

from dataclasses import dataclass

from stages.metrics.resampling import Estimate, Influences

NO_LABELS = "no class was asked for: the GAN is unconditional"
"""Why figures that need labels are undefined."""


@dataclass(frozen=True)
class Score:
    """The value of a metric, with its standard error where one is known; or None and why it has no value.

    influences: those of the images, where the metric has them; no_ratio: why a ratio to the floor would mean nothing;
    never_negative: whether the figure is at least 0 for any images.
    """

    value: float | None
    standard_error: float | None = None
    undefined: str | None = None
    influences: Influences | None = None
    no_ratio: str | None = None
    never_negative: bool = False


def estimated(estimate: Estimate, never_negative: bool = False) -> Score:
    """The score of a figure whose influences are known."""
    return Score(estimate.value, estimate.standard_error, influences=estimate.influences, never_negative=never_negative)
