"""What stages cost: measured for real, without a trace in the project."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.errors import UserError
from tools.cost import ROOT, Cost, measure, report
from tools.tables import cells


@pytest.fixture
def project(normalized: Path, tmp_path: Path) -> Path:
    """A folder with the code, params and the tests' digits."""
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "stages").symlink_to(ROOT / "stages")
    (root / "data" / "normalize").symlink_to(normalized / "normalize")
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["baseline"] |= {"epochs": 1, "batch_size": 50, "seeds": [1]}
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
    return root


@pytest.mark.slow
def test_a_stage_runs_in_another_folder_and_is_measured(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    cost = measure("baseline", project, folder)
    assert (folder / "data" / "baseline" / "baseline.json").is_file()
    assert [path.name for path in (project / "data").iterdir()] == ["normalize"]
    assert cost.wall_s > 0
    assert cost.cpu_s > 0
    assert 100 < cost.peak_mib < 10_000  # torch alone is some hundreds


@pytest.mark.slow
def test_a_stage_that_fails_is_reported(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match="track failed"):
        measure("track", project, tmp_path / "elsewhere")


def test_report() -> None:
    assert cells(report({"track": Cost(12.3, 23.9, 1500.2)}))[2] == ["track", "12", "24", "1500"]
