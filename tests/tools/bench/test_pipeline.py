"""The measurements of stages and metrics, on small files."""

from pathlib import Path

import pytest

from stages.evaluation.registry import METRICS
from tests.evaluation_inputs import params
from tools.bench import pipeline
from tools.bench.pipeline import generate_figures, is_finished, metric_seconds, stage_figures
from tools.cost import Cost


def test_every_metric_has_its_time(evaluation_inputs: Path) -> None:
    seconds = metric_seconds(params(), evaluation_inputs)
    assert {f"`{name}`" for name in METRICS} < seconds.keys()
    assert all(value >= 0 for value in seconds.values())
    assert list(seconds)[:2] == ["loading images", "features of four sets"]


def test_a_clone_has_no_finished_run(evaluation_inputs: Path) -> None:
    """The generator is not there."""
    assert not is_finished(evaluation_inputs.parent)


def test_stages_are_measured_as_make_cost_does(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def measure(stage: str, _root: Path, _folder: Path, changes: object = None) -> Cost:
        asked.append((stage, changes))
        return Cost(wall_s=4.0, cpu_s=6.0, peak_mib=300.0)

    monkeypatch.setattr(pipeline, "measure", measure)
    figures = [*generate_figures(Path(), 1000), *stage_figures(Path(), "track")]
    assert asked == [("generate", {"generate": {"num_images": 1000}}), ("track", None)]
    places = {(row.case, row.unit): row.value for row in figures}
    assert places["1,000 samples", "images/s"] == 250
    assert places["track", "CPU s"] == 6
