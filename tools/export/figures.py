"""The figures of a generator beside those of real images, for its model card."""

from collections.abc import Iterator

from stages.evaluation.beside_floor import BesideFloor
from stages.evaluation.registry import EVERY
from stages.reporting.figures import CAS, JUDGES, OTHER_FLOORS
from tools.export.lineage import Lineage
from tools.tables import markdown

HEADER = ("figure", "samples", "real images", "ratio (95 % interval)")
AS_DRAWN = {"classes": "all", "cut": "none", "pull": 0}
"""The params of `generate` with which samples are those of the generator as it is."""


def entries(lineage: Lineage) -> Iterator[tuple[str, str, BesideFloor]]:
    """Name, meaning, and figure beside its floor, of all that the run measured."""
    for name, entry in (lineage.details.metrics if lineage.details else {}).items():
        yield name, EVERY[name].explanation, entry
    for name, cas in (lineage.usefulness.metrics if lineage.usefulness else {}).items():
        yield name, CAS, cas
    for name, judged in (lineage.judged.metrics if lineage.judged else {}).items():
        yield name, JUDGES[name], judged


def figures_text(lineage: Lineage) -> str:
    """The table of all figures, and what they depend on, as Markdown."""
    rows = [[f"`{name}`: {meaning}", *_shown(entry)] for name, meaning, entry in entries(lineage)]
    if lineage.details is None:
        return "None: the run from whose files the card was written has not evaluated this generator."
    protocol = lineage.details.protocol
    of_dataset = f" of the dataset `{lineage.compared_with}`" if lineage.compared_with else ""
    about = (
        f"Of {protocol.num_images:,} samples against {protocol.reference.num_images:,} test images{of_dataset}. "
        f"*Real images* is the same figure for {protocol.floor.num_images:,} validation images in the samples' place: "
        f"the floor, roughly what a perfect generator would score. {OTHER_FLOORS} Features are those of the "
        f"project's own classifier, which recognises {100 * protocol.features.test_accuracy:.2f} % of the test images."
    )
    return "\n\n".join([markdown(HEADER, rows), about + _drawn(lineage)])


def _drawn(lineage: Lineage) -> str:
    """What makes these samples others than the generator gives by itself."""
    changed = [f"`{key}: {lineage.drawing[key]}`" for key, plain in AS_DRAWN.items() if lineage.drawing[key] != plain]
    return f" The samples were drawn with {', '.join(changed)} (`generate`)." if changed else ""


def _shown(entry: BesideFloor) -> list[str]:
    """Value, floor, and ratio with its interval; a dash for what is undefined."""
    ratio = "-"
    if entry.ratio is not None:
        low, high = ("open" if bound is None else f"{bound:.3g}" for bound in entry.ratio_interval or (None, None))
        ratio = f"{entry.ratio:.3f} ({low} to {high})"
    return ["-" if value is None else f"{value:.4g}" for value in (entry.value, entry.floor)] + [ratio]
