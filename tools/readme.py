"""Write the figures of the committed run into the README: `python -m tools.readme`. A test holds them to each other."""

import json
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.runtime import report_errors
from stages.evaluation.verdict import accuracy_of
from tools.tables import markdown

README = Path("README.md")
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
SHOWN = {
    "fd_classifier": "Fréchet distance on the classifier's features, less is better",
    "kd_classifier": "kernel distance on the same features, less is better",
    "precision": "samples that look like test digits",
    "recall": "test digits that look like samples",
    "coverage": "test digits that have a sample near them",
    "gan_test_accuracy": "samples recognised as the class asked for",
}


def figures(root: Path) -> str:
    """The table of the finished run in root/data, and what it says in plain words, as Markdown."""
    details = _read(root / "data/evaluate/details.json")
    usefulness = _read(root / "data/usefulness/details.json")
    _refuse_unknown(details, usefulness)
    rows = [[f"`{name}`: {what}", *_row(details["metrics"][name])] for name, what in SHOWN.items()]
    cas, real = usefulness["samples"], usefulness["real_digits"]["accuracy"]
    rows.append(
        [
            "`cas`: test digits recognised by a classifier that saw samples alone, beside one that saw real digits",
            *(f"{one['mean']:.4f} ± {one['standard_deviation']:.4f}" for one in (cas, real)),
            _ratio(usefulness["metrics"]["cas"], digits=3),
        ]
    )
    table = markdown(["figure", "samples", "real digits", "ratio (95 % interval)"], rows)
    accuracy = details["protocol"]["features"]["test_accuracy"]
    weakest = min(details["classes"], key=accuracy_of)
    words = (
        f"In the pipeline's own words: *{details['in_plain_words']}*. The classifier itself recognises "
        f"{100 * accuracy:.2f} % of the test digits; of the classes asked for, {weakest['class']} is recognised least, "
        f"{100 * accuracy_of(weakest):.1f} %. `cas` has the mean and standard deviation of "
        f"{len(cas['values'])} classifiers."
    )
    return f"{table}\n\n{words}\n\n{_over_seeds(_read(root / 'tools/spread.json'))}\n"


def _refuse_unknown(details: dict[str, Any], usefulness: dict[str, Any]) -> None:
    """Raises UserError if the run has too few images or seeds for a figure of the table."""
    figures = {f"{name}.{key}": value for name in SHOWN for key, value in details["metrics"][name].items()}
    figures |= {f"cas.{key}": value for key, value in usefulness["metrics"]["cas"].items()}
    figures |= {f"cas.{key}": value for key, value in usefulness["samples"].items()}
    needed = ("value", "floor", "ratio", "ratio_interval", "mean", "standard_deviation")
    unknown = [name for name, value in figures.items() if value is None and name.endswith(needed)]
    if unknown:
        raise UserError(f"the run in data/ has no {unknown[0]}: too few images or seeds; run the committed params")


def written(text: str, root: Path) -> str:
    """The README's text with the figures of the run between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + figures(root) + END + after


def _over_seeds(spread: dict[str, Any]) -> str:
    """How far the ratios lie apart over seeds."""
    names = ("fd_classifier", "precision", "recall", "coverage", "gan_test_accuracy")
    ranges = {name: spread["metrics"][name]["values"] for name in names}
    told = ", ".join(f"`{name}` {min(values):.3f} to {max(values):.3f}" for name, values in ranges.items())
    return f"Over {len(spread['seeds'])} seeds of classifier and GAN, as ratios to each run's own floor: {told}."


def _row(entry: dict[str, Any]) -> list[str]:
    return [f"{entry['value']:.3g}", f"{entry['floor']:.3g}", _ratio(entry, digits=2)]


def _ratio(entry: dict[str, Any], digits: int) -> str:
    """The ratio to the floor with its interval, whose bounds have so many digits."""
    low, high = entry["ratio_interval"]
    return f"{entry['ratio']:.3f} ({low:.{digits}f} to {high:.{digits}f})"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    with report_errors("readme"):
        write_text(README, written(README.read_text(encoding="utf-8"), Path()))
