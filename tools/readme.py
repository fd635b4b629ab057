"""Write the figures of the committed run into the README, and copy its pictures to docs/: `python -m tools.readme`.

A test holds them to each other.
"""

from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.files import read_json, require, write_bytes, write_text
from stages.common.params import read_params_file
from stages.common.records import read_record
from stages.common.runtime import report_errors
from stages.evaluation.beside_floor import BesideFloor
from stages.evaluation.cas import CasDetails
from stages.evaluation.details import Details
from stages.evaluation.registry import METRICS
from stages.evaluation.two_sample_details import TwoSampleDetails
from stages.evaluation.verdict import weakest_class
from stages.reporting.figures import CAS, JUDGES
from tools.failures import take_no_arguments
from tools.judge import is_of_other_params
from tools.marks import inserted
from tools.tables import markdown

README = Path("README.md")
PICTURES = {
    Path("data/track/training.gif"): Path("docs/training.gif"),
    Path("data/generate/classes.png"): Path("docs/classes.png"),
    Path("data/generate/interpolations.png"): Path("docs/interpolations.png"),
    Path("data/inspect/discriminator.png"): Path("docs/discriminator.png"),
}
"""From DVC's cache to Git, for those who read the README and docs/how-a-gan-works.md."""
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
SHOWN = ("fd_classifier", "kd_classifier", "precision", "recall", "coverage", "gan_test_accuracy")
"""Metrics of the table; their meanings are in the registry."""
OVER_SEEDS = ("fd_classifier", "precision", "recall", "coverage", "gan_test_accuracy")


def figures(root: Path) -> str:
    """The table of the finished run in root/data, and its summary in words, as Markdown."""
    details = read_record(root / "data/evaluate/details.json", Details)
    usefulness = read_record(root / "data/usefulness/details.json", CasDetails)
    judged = read_record(root / "data/two_sample/details.json", TwoSampleDetails)
    _refuse_unknown(details, usefulness, judged)
    spread = read_json(root / "tools/spread.json")
    parts = [_table(details, usefulness, judged), _words(details, usefulness)]
    if not is_of_other_params(spread, read_params_file(root / "params.yaml")):
        parts.append(_over_seeds(spread))
    return "\n\n".join(parts) + "\n"


def _refuse_unknown(details: Details, usefulness: CasDetails, judged: TwoSampleDetails) -> None:
    """Raises UserError if the run has too few images or seeds for a figure of the table."""
    entries: dict[str, BesideFloor] = {name: details.metrics[name] for name in SHOWN}
    entries |= {"cas": usefulness.metrics["cas"]} | {name: judged.metrics[name] for name in JUDGES}
    keys = ("value", "floor", "ratio", "ratio_interval")
    figures = {f"{name}.{key}": getattr(entry, key) for name, entry in entries.items() for key in keys}
    for name, accuracy in (("samples", usefulness.samples), ("real_digits", usefulness.real_digits.accuracy)):
        figures[f"cas.{name}.standard_deviation"] = accuracy.standard_deviation
    if unknown := [name for name, value in figures.items() if value is None]:
        raise UserError(f"the run in data/ has no {unknown[0]}: too few images or seeds; run the committed params")


def written(text: str, root: Path) -> str:
    """The README's text with the figures of the run between the two marks. Raises UserError if it has not both."""
    return inserted(README, text, BEGIN, END, figures(root))


def _table(details: Details, usefulness: CasDetails, judged: TwoSampleDetails) -> str:
    rows = [[f"`{name}`: {METRICS[name].explanation}", *_row(details.metrics[name])] for name in SHOWN]
    accuracies = usefulness.samples, usefulness.real_digits.accuracy
    spreads = [f"{accuracy.mean:.4f} ± {accuracy.standard_deviation:.4f}" for accuracy in accuracies]
    rows.append([f"`cas`: {CAS}", *spreads, _ratio(usefulness.metrics["cas"])])
    for name, meaning in JUDGES.items():
        entry = judged.metrics[name]
        rows.append([f"`{name}`: {meaning}", f"{entry.value:.3f}", f"{entry.floor:.3f}", _ratio(entry)])
    return markdown(["figure", "samples", "real images", "ratio (95 % interval)"], rows)


def _words(details: Details, usefulness: CasDetails) -> str:
    weakest = weakest_class(details)
    assert weakest is not None
    assert weakest.accuracy is not None
    tied = [each.name for each in details.classes if each.accuracy == weakest.accuracy]
    least = f"{tied[0]} is" if len(tied) == 1 else f"{', '.join(tied[:-1])} and {tied[-1]} are"
    return (
        f"In the pipeline's own words: *{details.in_plain_words}*. The classifier itself recognises "
        f"{100 * details.protocol.features.test_accuracy:.2f} % of the test images; of the classes, {least} "
        f"recognised least, {100 * weakest.accuracy:.1f} %. `cas` has the mean and standard deviation of "
        f"{len(usefulness.samples.values)} classifiers."
    )


def _over_seeds(spread: dict[str, Any]) -> str:
    """The range of the ratios over seeds."""
    ranges = {name: spread["metrics"][name]["values"] for name in OVER_SEEDS}
    listed = ", ".join(f"`{name}` {min(values):.3f} to {max(values):.3f}" for name, values in ranges.items())
    return f"Over {len(spread['seeds'])} seeds of classifier and GAN, as ratios to each run's own floor: {listed}."


def _row(entry: BesideFloor) -> list[str]:
    return [f"{entry.value:.3g}", f"{entry.floor:.3g}", _ratio(entry)]


def _ratio(entry: BesideFloor) -> str:
    """The ratio to the floor with its interval, to the same digits: with fewer, bounds near 1 may not enclose it."""
    assert entry.ratio_interval is not None
    low, high = entry.ratio_interval
    return f"{entry.ratio:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Write figures and pictures."""
    take_no_arguments("tools.readme", __doc__)
    with report_errors("readme"):
        write_text(README, written(README.read_text(encoding="utf-8"), Path()))
        for picture, shown in PICTURES.items():
            write_bytes(shown, require(picture).read_bytes())


if __name__ == "__main__":
    main()
