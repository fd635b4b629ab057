"""Judge the metrics of a run in another environment by the spread over seeds in tools/spread.json.

Metrics are compared as ratios to the run's own floor, because another environment trains another classifier, whose
features scale all distances. Where a floor is not clearly above zero, differences from it are compared.
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
"""Of all intervals together: each of m metrics gets 1 - 0.05 / m (Bonferroni). So a CI that judges eight metrics raises
a false alarm in at most one of twenty runs, not in one of three."""
CLEAR = 3
"""A floor is clearly above zero if it is more than this many of its standard errors."""
SECTIONS = ("download", "normalize", "train_classifier", "train_gan", "generate", "evaluate")
SEEDED = ("train_classifier", "train_gan")
"""Stages whose seed varies, because another environment changes the results of both trainings."""

NETWORKS = "networks"
"""The section with the options of each network."""

Details = dict[str, dict[str, Any]]
"""The entry of each metric in data/evaluate/details.json."""


def comparable_params(params: dict[str, Any]) -> dict[str, Any]:
    """The params that decide the spread, by section: without the seeds that were varied and without the device.

    Of the networks' options, those of the chosen network alone.
    """
    sections = {name: dict(params.get(name, {})) for name in SECTIONS}
    network = sections["train_gan"].get("network")
    if options := params.get(NETWORKS, {}).get(network):
        sections[NETWORKS] = {network: options}
    for name in SEEDED:
        sections[name].pop("seed", None)
    sections["train_gan"].pop("device", None)
    return sections


def measure(entry: dict[str, Any] | None, by: str) -> float | None:
    """A metric's ratio to the floor, or its difference from it; None if it is undefined."""
    if entry is None or entry["value"] is None or entry["floor"] is None:
        return None
    return entry["ratio"] if by == "ratio" else entry["value"] - entry["floor"]


def confidence_of_each(count: int) -> float:
    """The confidence of each of so many intervals that all together have CONFIDENCE."""
    return 1 - (1 - CONFIDENCE) / count


def summarise(runs: list[Details]) -> dict[str, dict[str, Any]]:
    """Values, mean, standard deviation and prediction interval of each metric that is defined in every run."""
    names = [name for name in runs[0] if all(measure(run.get(name), "difference") is not None for run in runs)]
    summary = {}
    for name in names:
        by = "ratio" if all(_is_clear(run[name]) for run in runs) else "difference"
        values = [run[name]["ratio"] if by == "ratio" else run[name]["value"] - run[name]["floor"] for run in runs]
        low, high = prediction_interval(values, confidence_of_each(len(names)))
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


def is_of_other_params(spread: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether a value that the spread was measured with has changed.

    A key that was added since is not compared: a new hyper-parameter does not make the spread void.
    """
    current = comparable_params(params)
    return any(
        key not in current.get(section, {}) or current[section][key] != value
        for section, values in spread["params"].items()
        for key, value in values.items()
    )


def judge(again: Record, spread: dict[str, Any]) -> tuple[Verdict, str]:
    """The verdict on the metrics of a run, and a table."""
    if is_of_other_params(spread, again.params):
        reason = f"{SPREAD.as_posix()} was measured with other params; `make spread` measures it for these"
        return Verdict(False, reason), ""
    rows, outside = [], []
    for name, known in spread["metrics"].items():
        value = measure(again.metrics.get(name), known["by"])
        inside = value is not None and known["low"] <= value <= known["high"]
        if not inside:
            outside.append(name)
        interval = f"{known['low']:.4g} to {known['high']:.4g}"
        here = "-" if value is None else f"{value:.4g}"
        rows.append([name, known["by"], here, f"{known['mean']:.4g}", interval, "inside" if inside else "outside"])
    table = markdown(["metric", "to the floor", "here", "mean of seeds", "interval", ""], rows)
    count = f"{len(spread['seeds'])} seeds"
    if outside or not rows:
        return Verdict(False, f"other metrics than those of {count}: {', '.join(outside) or 'none to judge'}"), table
    return Verdict(True, f"all {len(rows)} metrics are within the prediction intervals of {count}"), table


def _is_clear(entry: dict[str, Any]) -> bool:
    return entry["ratio"] is not None and entry["floor"] > CLEAR * (entry.get("floor_standard_error") or 0)
