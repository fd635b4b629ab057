"""dvc.yaml and params.yaml as the tests read them."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.common.params import read_params_file

ROOT = Path(__file__).parents[1]
DVC_YAML = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, dict[str, Any]] = DVC_YAML["stages"]
PARAMS = read_params_file(ROOT / "params.yaml")


def resolved(text: str) -> str:
    """The entry of dvc.yaml with DVC's templates filled in from params.yaml."""
    return re.sub(r"\$\{(\w+)\.(\w+)\}", lambda match: str(PARAMS[match[1]][match[2]]), text)


def names(entries: list[Any] | None) -> list[str]:
    """The names in a list of dvc.yaml, in which an entry with options is a mapping."""
    return [resolved(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries or []]


def outs(stage: str) -> list[str]:
    return [name for kind in ("outs", "metrics", "plots") for name in names(STAGES[stage].get(kind))]


def downstream(stage: str) -> set[str]:
    """The stage and all that run after it because of it."""
    made = set(outs(stage))
    direct = {other for other in STAGES if made & set(names(STAGES[other].get("deps")))}
    return {stage}.union(*(downstream(other) for other in direct))


def entries(stage: str, kind: str) -> dict[str, dict[str, Any]]:
    """The outs of that kind with their options, by name."""
    listed = [entry if isinstance(entry, dict) else {entry: {}} for entry in STAGES[stage].get(kind, [])]
    return {name: options or {} for entry in listed for name, options in entry.items()}


def top_level_plots() -> dict[str, dict[str, Any]]:
    """The plots that belong to no stage: their options, by name or by the path of a picture."""
    listed = [plot if isinstance(plot, dict) else {plot: {}} for plot in DVC_YAML["plots"]]
    return {name: options for plot in listed for name, options in plot.items()}


def plot_titles() -> list[str]:
    """The titles of all plots but the pictures."""
    plots = [
        *top_level_plots().values(),
        *(options for stage in STAGES for options in entries(stage, "plots").values()),
    ]
    return [options["title"] for options in plots if "title" in options]
