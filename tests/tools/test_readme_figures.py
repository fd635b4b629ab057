"""The figures of the README come from a run that has them all."""

import json
import re
import shutil
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.readme import figures

ROOT = Path(__file__).parents[2]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    for name in ("data/evaluate/details.json", "data/usefulness/details.json", "tools/spread.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "keys"),
    [
        ("evaluate", ("metrics", "coverage", "ratio_interval")),
        ("evaluate", ("metrics", "fd_classifier", "floor")),
        ("usefulness", ("metrics", "cas", "ratio_interval")),
        ("usefulness", ("samples", "standard_deviation")),
    ],
)
def test_a_run_without_a_figure_is_refused_in_one_line(stage: str, keys: tuple[str, ...], finished: Path) -> None:
    """As after a tiny run: too few images for an interval, one seed."""
    assert "coverage" in figures(finished)
    path = finished / "data" / stage / "details.json"
    details = json.loads(path.read_text(encoding="utf-8"))
    entry = details
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = None
    path.write_text(json.dumps(details), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^the run in data/ has no [\w.]+\.{re.escape(keys[-1])}: .*params$"):
        figures(finished)
