"""Where a run comes from: its params, the versions that decide bytes, and the hashes of its files."""

import json
from dataclasses import dataclass
from typing import Any

from stages.reporting.run import Run


@dataclass(frozen=True)
class Section:
    """A section of params.yaml: its keys with their values as JSON, nested ones by dotted names."""

    name: str
    values: dict[str, str]


def sections(params: dict[str, Any]) -> list[Section]:
    """All sections, by name: DVC does not see in which order the file has them, and the page must not either."""
    return [Section(name, flat(content)) for name, content in sorted(params.items()) if isinstance(content, dict)]


def flat(content: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as one, by dotted names; the keys of each in order."""
    values: dict[str, str] = {}
    for key, value in sorted(content.items()):
        if isinstance(value, dict) and value:
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(_plain(value))
    return values


def _plain(value: Any) -> Any:
    """A value whose whole numbers are integers, as in 1.0, which for DVC equals 1."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hashes(run: Run) -> list[tuple[str, str]]:
    """SHA-256 of every file that the page was made from, by its path in the project; the generator's first."""
    own = f"{run.generator.origin}/generator.safetensors"
    names = sorted(run.sha256, key=lambda name: (name != own, name))
    listed = [(f"data/{name}", run.sha256[name]) for name in names]
    classifier = run.measured.evaluation.protocol.features.classifier_sha256
    return [listed[0], ("data/train_classifier/classifier.safetensors", classifier), *listed[1:]]
