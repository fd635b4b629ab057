"""The records: a row each in docs/records.csv, and the table of them in docs/speed.md."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.shown import one_line
from tools.marks import write_between
from tools.record.curve import MULTIPLES, Curve, median_seconds
from tools.tables import markdown

BEGIN, END = "<!-- records -->\n", "<!-- /records -->\n"
PAGE, RECORDS = "speed.md", "records.csv"
LEAST_SEEDS = 3
NEVER = "never"


@dataclass(frozen=True)
class Entry:
    """A record. to_5, to_2, to_1_1: median seconds to these multiples of the floor, or NEVER."""

    to_5: str
    to_2: str
    to_1_1: str
    seeds: int
    recipe: str
    change: str
    processes: int
    machine: str
    commit: str


def shown_seconds(seconds: float) -> str:
    """Seconds with one decimal, or NEVER."""
    return NEVER if math.isinf(seconds) else f"{seconds:.1f}"


def seed_line(seed: int, curve: Curve) -> str:
    """What is known as soon as a seed has ended."""
    times = ", ".join(f"{shown_seconds(curve.seconds_to(multiple))} to {multiple:g}" for multiple in MULTIPLES)
    return f"seed {seed}: seconds to multiples of the floor: {times}; {curve.end:.1f} in all"


def runs_table(curves: Sequence[Curve]) -> str:
    """Each seed's seconds and kimg to the multiples, with the end of the training; below, the medians."""
    rows = []
    for seed, curve in enumerate(curves, start=1):
        points = [curve.reached(multiple) for multiple in MULTIPLES]
        cells = [f"{point.seconds:.1f} ({point.kimg:g} kimg)" if point else NEVER for point in points]
        last = f"{curve.last_ratio:.2f}" if curve.points else "-"
        rows.append([f"seed {seed}", *cells, f"{curve.end:.1f}", last])
    rows.append(["median", *(shown_seconds(median_seconds(curves, multiple)) for multiple in MULTIPLES), "", ""])
    return markdown(["", *(f"s to {multiple:g} times the floor" for multiple in MULTIPLES), "s in all", "last"], rows)


def require_record(seeds: int, commit: str) -> None:
    """Raise UserError for a record that the rules leave out. commit: as machine.commit gives it."""
    if seeds < LEAST_SEEDS:
        raise UserError(f"a record is the median of at least {LEAST_SEEDS} seeds, found {seeds}")
    if commit.endswith("+") or not commit.isalnum():
        raise UserError(f"a record belongs to a commit: commit code, params and recipe first, found {commit}")


def new_entry(curves: Sequence[Curve], recipe: str, change: str, machine: str, commit: str) -> Entry:
    """The record of these seeds, at least one."""
    seconds = [shown_seconds(median_seconds(curves, multiple)) for multiple in MULTIPLES]
    to_5, to_2, to_1_1 = seconds
    return Entry(to_5, to_2, to_1_1, len(curves), recipe, change, curves[0].processes, machine, commit)


def enter(folder: Path, entry: Entry) -> None:
    """Add the record to the folder's records.csv, and write the table into its speed.md."""
    entries = sorted([*read_entries(folder / RECORDS), asdict(entry)], key=_fastest_first)
    names = [field.name for field in fields(Entry)]
    lines = [names, *([str(row[name]) for name in names] for row in entries)]
    write_text(folder / RECORDS, "".join(",".join(map(_quoted, line)) + "\n" for line in lines))
    write_between(folder / PAGE, BEGIN, END, records_table(entries))


def records_table(entries: Sequence[dict[str, object]]) -> str:
    """The records as Markdown, the shortest time to the last multiple first."""
    header = [*(f"s to {multiple:g} times" for multiple in MULTIPLES), "recipe", "what changed", "machine", "commit"]
    keys = ("to_5", "to_2", "to_1_1", "recipe", "change")
    rows = [
        [*(str(row[key]) for key in keys), f"{row['machine']}, {row['processes']} processes", str(row["commit"])]
        for row in entries
    ]
    return markdown(header, rows)


def read_entries(path: Path) -> list[dict[str, object]]:
    """The rows of records.csv, none if there is no file. Raises UserError if it is damaged."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows: list[dict[str, object]] = list(csv.DictReader(file))
        for row in rows:
            Entry(**row)  # type: ignore[arg-type]
            _fastest_first(row)
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path}: no table of records ({one_line(error)}); restore it with git") from None
    return rows


def _fastest_first(row: dict[str, object]) -> list[float]:
    times = (str(row[key]) for key in ("to_1_1", "to_2", "to_5"))
    return [math.inf if text == NEVER else float(text) for text in times]


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set('",\n') else cell
