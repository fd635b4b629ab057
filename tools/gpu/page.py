"""docs/gpu.md: the figures of gpu.json between two marks of the page."""

import json
from pathlib import Path
from typing import Any

from stages.common.errors import UserError
from tools.marks import write_between
from tools.tables import markdown

PAGE = Path("docs") / "gpu.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->\n"
TRAININGS = {
    "first": "by CUDA graphs",
    "again": "the same again",
    "eager": "each kernel by itself",
    "resumed": "stopped and resumed",
    "graph_then_eager": "stopped by graphs, resumed kernel by kernel",
    "eager_then_graph": "stopped kernel by kernel, resumed by graphs",
    "bfloat16": "in bfloat16",
}
SPEEDS = {"speed_graph": "CUDA graphs", "speed_eager": "each kernel by itself", "speed_bfloat16": "graphs, bfloat16"}
COLUMNS = {
    "images_per_s": ("images/s", "{:.0f}"),
    "step_ms": ("ms a step", "{:.3f}"),
    "kernels_per_step": ("kernels", "{:.0f}"),
    "share_in_kernels": ("share in kernels", "{:.0%}"),
    "peak_memory_mib": ("peak MiB", "{:.0f}"),
}


def described(phases: dict[str, dict[str, Any]]) -> str:
    """All figures as Markdown."""
    gpu = (phases.get("machine", {}).get("environment") or {}).get("gpu") or {}
    versions = (phases.get("machine", {}).get("environment") or {}).get("versions") or {}
    named = ", ".join(f"{key} {value}" for key, value in (gpu | versions).items() if value)
    failed = [f"{name} ({each['error']})" for name, each in phases.items() if not each["ok"]]
    parts = [f"On {named or 'no GPU'}.", _trainings(phases), _speeds(phases), *_quality(phases)]
    if failed:
        parts.append(f"What failed: {'; '.join(failed)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _trainings(phases: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, title in TRAININGS.items():
        if name in phases:
            seconds = phases[name].get("seconds_of_training")
            same = "same" if phases[name].get("same_bytes") else phases[name].get("bytes", "")
            same = same if phases[name]["ok"] else "failed"
            rows.append([title, "" if seconds is None else f"{seconds:.1f}", same])
    return markdown(["the default training", "seconds, with start", "bytes"], rows) if rows else ""


def _speeds(phases: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, title in SPEEDS.items():
        if name in phases:
            values = [(phases[name].get(key), form) for key, (_, form) in COLUMNS.items()]
            rows.append([title, *("" if value is None else form.format(value) for value, form in values)])
    return markdown(["a step", *(title for title, _ in COLUMNS.values())], rows) if rows else ""


def _quality(phases: dict[str, dict[str, Any]]) -> list[str]:
    names = {"quality": "float32", "quality_bfloat16": "bfloat16"}
    found = [(title, phases[name]) for name, title in names.items() if phases.get(name, {}).get("verdict")]
    return [f"In {title}: {each['verdict']}.\n\n{each['table']}".strip() for title, each in found]


def write_page(root: Path, result: Path) -> None:
    """Write the figures of a file into the page. Raises UserError if they are not of a GPU, or no figures at all."""
    if not result.exists():
        raise UserError(f"{result} is missing; `make gpu` writes it on a machine with a GPU")
    try:
        content = json.loads(result.read_text(encoding="utf-8"))
        is_rehearsal, text = content["rehearsal"], described(content["phases"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{result}: expected what `make gpu` writes ({reason[:200]}); run it again") from None
    if is_rehearsal:
        raise UserError(f"{result} is of a rehearsal on the CPU; the page is of a GPU")
    write_between(root / PAGE, BEGIN, END, text)
