"""Metrics of a run in another environment, judged by the spread over seeds that tools/spread.json holds.

Measures are ratios to the run's own floor, because another environment trains another classifier, whose features
scale all distances; where a floor is not clearly above zero, differences from it.
"""

import json
import statistics
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from tools.intervals import prediction_interval
from tools.proof import Record, Verdict
from tools.tables import markdown

SPREAD = Path("tools") / "spread.json"
CONFIDENCE = 0.95
"""That all metrics together fall into their intervals: each of m gets 1 - 0.05 / m (Bonferroni), so that a CI that
judges eight of them is wrong once in twenty runs at most, not once in three."""
CLEAR = 3
"""A floor of so many of its standard errors is clearly above zero."""
SECTIONS = ("download", "normalize", "train_classifier", "train_gan", "generate", "evaluate")
SEEDED = ("train_classifier", "train_gan")
"""Stages whose seed is varied: another environment changes what both train."""

Details = dict[str, dict[str, Any]]
"""What data/evaluate/details.json says of each metric."""


def comparable_params(params: dict[str, Any]) -> dict[str, Any]:
    """Of all params those that the spread holds for: not the seeds that were varied, nor the device."""
    sections = {name: dict(params.get(name, {})) for name in SECTIONS}
    for name in SEEDED:
        sections[name].pop("seed", None)
    sections["train_gan"].pop("device", None)
    return sections


def measure(entry: dict[str, Any] | None, by: str) -> float | None:
    """A metric's ratio to the floor, or its difference from it; None where it has none."""
    if entry is None or entry["value"] is None or entry["floor"] is None:
        return None
    return entry["ratio"] if by == "ratio" else entry["value"] - entry["floor"]


def summarise(runs: list[Details]) -> dict[str, dict[str, Any]]:
    """Of each metric that has a value in every run: all values, mean, standard deviation and prediction interval."""
    names = [name for name in runs[0] if all(measure(run.get(name), "difference") is not None for run in runs)]
    summary = {}
    for name in names:
        by = "ratio" if all(_is_clear(run[name]) for run in runs) else "difference"
        values = [run[name]["ratio"] if by == "ratio" else run[name]["value"] - run[name]["floor"] for run in runs]
        low, high = prediction_interval(values, 1 - (1 - CONFIDENCE) / len(names))
        summary[name] = {
            "by": by,
            "values": values,
            "mean": statistics.fmean(values),
            "standard_deviation": statistics.stdev(values),
            "low": low,
            "high": high,
        }
    return summary


def read_spread(root: Path) -> dict[str, Any]:
    """The committed spread. Raises UserError if there is none."""
    try:
        return json.loads((root / SPREAD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{SPREAD.as_posix()} is not committed; `make spread` measures it") from None


def judge(again: Record, spread: dict[str, Any]) -> tuple[Verdict, str]:
    """The verdict on the metrics of a run, and a table of them."""
    if comparable_params(again.params) != spread["params"]:
        return Verdict(False, f"{SPREAD.as_posix()} is of other params; `make spread` measures it for these"), ""
    rows, outside = [], []
    for name, known in spread["metrics"].items():
        value = measure(again.metrics.get(name), known["by"])
        inside = value is not None and known["low"] <= value <= known["high"]
        if not inside:
            outside.append(name)
        interval = f"{known['low']:.4g} to {known['high']:.4g}"
        found = "-" if value is None else f"{value:.4g}"
        rows.append([name, known["by"], found, f"{known['mean']:.4g}", interval, "inside" if inside else "outside"])
    table = markdown(["metric", "to the floor", "here", "mean of seeds", "interval", ""], rows)
    count = f"{len(spread['seeds'])} seeds"
    if outside or not rows:
        return Verdict(False, f"other metrics than those of {count}: {', '.join(outside) or 'none to judge'}"), table
    return Verdict(True, f"all {len(rows)} metrics are within the prediction intervals of {count}"), table


def _is_clear(entry: dict[str, Any]) -> bool:
    return entry["ratio"] is not None and entry["floor"] > CLEAR * (entry.get("floor_standard_error") or 0)
