"""The table of all recipes: docs/gans.md, a CSV of every run, and a picture of ten samples each.

The CSV is read again: a series of some recipes leaves the rows of the others as they were, as long as these exist.
"""

import csv
import io
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_text
from tools.gans.result import Result
from tools.marks import write_between
from tools.tables import markdown

BEGIN, END = "<!-- gans -->\n", "<!-- /gans -->\n"
PAGE = "gans.md"
CONDITIONS = "Distance and coverage are ratios to the floor, on test images, after the kimg that the row names."
"""What all rows have in common."""
RATIOS = ("fd_classifier", "precision", "recall", "coverage", "reverse_kl")
VALUES = ("gan_test_accuracy", "modes_found", "reverse_kl")
ENDS = {"value": "", "ratio": "_ratio"}
"""What the columns of a metric end with."""
COLUMNS = (
    "recipe",
    "seed",
    "dataset",
    "network",
    "loss",
    "kimg",
    "seconds",
    "core_seconds",
    "classes_lost",
    "num_classes",
    "cas",
    "signs",
    "commit",
    "machine",
)


def csv_of(results: Sequence[Result]) -> str:
    """A row for each run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"{name}_ratio" for name in RATIOS), *VALUES])
    for result in results:
        figures = [*map(result.ratio, RATIOS), *map(result.value, VALUES)]
        writer.writerow(
            [*(getattr(result, name) for name in COLUMNS), *(_text(figure, "{:.6g}") for figure in figures)]
        )
    return text.getvalue()


def read_csv(path: Path) -> list[Result]:
    """The runs of an earlier table, with the figures that it shows; none where there is no table.

    Raises UserError if it is not one that `csv_of` wrote.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [_result_of(row) for row in csv.DictReader(file)]
        except (csv.Error, KeyError, ValueError, TypeError) as error:  # pydantic's errors are ValueErrors
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path}: no table of runs ({reason}); restore it with git") from None


def _result_of(row: dict[str, str]) -> Result:
    names = (*RATIOS, *VALUES)
    figures = {name: {kind: _number(row.get(f"{name}{end}")) for kind, end in ENDS.items()} for name in names}
    known = {name: both for name, both in figures.items() if both != {"value": None, "ratio": None}}
    return Result.model_validate(
        {column: row[column] for column in COLUMNS} | {"cas": _number(row["cas"]), "metrics": known}, strict=False
    )


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def table(results: Sequence[Result]) -> str:
    """A row for each recipe, means over its seeds with the range; the nearest to the floor comes first."""
    by_recipe: dict[str, list[Result]] = {}
    for result in results:
        by_recipe.setdefault(result.recipe, []).append(result)
    ordered = sorted(by_recipe.items(), key=lambda pair: _distance(pair[1]))
    header = ["", "samples", "distance / floor", "coverage / floor", "recognised as asked", "CAS", "classes lost"]
    header += ["kimg", "core s of training", "seeds", "commit", "signs of trouble"]
    return markdown(header, [_row(name, runs) for name, runs in ordered])


def _row(name: str, runs: list[Result]) -> list[str]:
    first = runs[0]
    return [
        f"[{name}](../recipes/{name}.txt)" if name != "default" else name,
        f"![samples of {name}](gans/{name}.png)",
        _over_seeds(runs, lambda run: run.ratio("fd_classifier"), "{:.2f}"),
        _over_seeds(runs, lambda run: run.ratio("coverage"), "{:.3f}"),
        _over_seeds(runs, lambda run: run.value("gan_test_accuracy"), "{:.1%}"),
        _over_seeds(runs, lambda run: run.cas, "{:.2%}"),
        _over_seeds(runs, lambda run: float(run.classes_lost), "{:g}"),
        f"{first.kimg:g}",
        f"{statistics.fmean(run.core_seconds for run in runs):.0f}",
        str(len(runs)),
        ", ".join(sorted({run.commit for run in runs})),
        ", ".join(sorted({sign for run in runs for sign in run.signs.split()})) or "none",
    ]


def _over_seeds(runs: Iterable[Result], figure: Callable[[Result], float | None], form: str) -> str:
    """The mean, with the range in brackets if the seeds differ; a dash if it is not defined for all of them."""
    values = [figure(run) for run in runs]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    low, mean, high = (form.format(value) for value in (min(known), statistics.fmean(known), max(known)))
    return mean if low == high else f"{mean} ({low} - {high})"


def _distance(runs: list[Result]) -> float:
    ratios = [ratio for run in runs if (ratio := run.ratio("fd_classifier")) is not None]
    return statistics.fmean(ratios) if ratios else float("inf")


def _text(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def stacks(results: Sequence[Result]) -> str:
    """What the runs on stacked images reached, a line each; empty if there are none."""
    lines = [
        f"{result.recipe}, seed {result.seed}: {modes:g} of {result.num_classes} modes, reverse KL "
        f"{_text(result.value('reverse_kl'), '{:.3f}')}"
        f"{_text(result.ratio('reverse_kl'), ' ({:.1f} times that of real stacks)')}."
        for result in results
        if (modes := result.value("modes_found")) is not None
    ]
    return "".join(f"\n{line}\n" for line in lines)


def write_page(
    folder: Path,
    results: Sequence[Result],
    pictures: Mapping[str, bytes],
    existing: Collection[str],
    failed: Mapping[str, str],
) -> None:
    """Write the table into gans.md, whose other text stays, gans.csv, and the pictures by the names of recipes.

    existing: names of the recipes whose rows in gans.csv stay where there are no new results.
    failed: why recipes have no new results, by name.
    """
    (folder / "gans").mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / "gans" / f"{name}.png").write_bytes(picture)
    stay = set(existing) - {result.recipe for result in results}
    results = [*(row for row in read_csv(folder / "gans.csv") if row.recipe in stay), *results]
    write_text(folder / "gans.csv", csv_of(results))
    machines = " and ".join(sorted({result.machine for result in results}))
    failures = _failures(failed, {result.recipe for result in results})
    write_between(
        folder / PAGE, BEGIN, END, f"{CONDITIONS} On {machines}.\n\n{table(results)}{stacks(results)}{failures}"
    )


def _failures(failed: Mapping[str, str], shown: Collection[str]) -> str:
    """A paragraph for each recipe that failed, in the table or not."""
    lines = [
        f"The row of {name} is of an earlier series; in this one it failed: {reason}."
        if name in shown
        else f"Not in the table: {reason}."
        for name, reason in failed.items()
    ]
    return "".join(f"\n{line}\n" for line in lines)
