"""dvc.yaml against the code and params.yaml, without running a stage."""

import ast
import importlib.util
from pathlib import Path

import pytest

from stages.check import SCHEMAS
from tests.dvc_stages import DVC_YAML, PARAMS, ROOT, STAGES, names, outs

OPTIONS = "networks"
"""The section of params.yaml that holds the options of each network, and belongs to no stage alone."""


def test_stages_are_modules_are_sections_are_folders() -> None:
    """`check` has no section; another stage may have nothing to choose."""
    modules = {
        path.stem
        for path in (ROOT / "stages").glob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert set(STAGES) == modules
    assert set(STAGES) - {"check"} >= set(PARAMS) - {OPTIONS} == set(SCHEMAS)
    assert {Path(out).parts[1] for stage in STAGES for out in outs(stage)} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_module_and_writes_its_folder_only(stage: str) -> None:
    assert STAGES[stage]["cmd"] == f"python -E -m stages.{stage}"
    assert importlib.util.find_spec(f"stages.{stage}") is not None
    assert outs(stage)
    for out in outs(stage):
        assert Path(out).parts[:2] == ("data", stage), out


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_its_whole_section_and_no_other(stage: str) -> None:
    """`train_gan` depends on the options of the chosen network as well."""
    sections = ["params.yaml"] if stage == "check" else [name for name in PARAMS if name == stage]
    if stage == "train_gan" and OPTIONS in PARAMS:
        sections.append(f"{OPTIONS}.{PARAMS['train_gan']['network']}")
    assert names(STAGES[stage].get("params")) == sections


@pytest.mark.parametrize("stage", STAGES)
def test_files_between_stages_are_outs_and_all_follow_check(stage: str) -> None:
    made = {out for other in STAGES for out in outs(other)}
    deps = [dep for dep in names(STAGES[stage]["deps"]) if dep.startswith("data/") and not dep.startswith("data/init/")]
    assert set(deps) <= made
    assert ("data/check/ok.json" in deps) is (stage != "check")


@pytest.mark.parametrize("path", sorted((ROOT / "stages").rglob("*.py")), ids=lambda path: path.name)
def test_no_function_imports_a_module_of_the_project(path: Path) -> None:
    """`make deps` would not see it, because it imports the stages and calls nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) and node.col_offset]
    modules = [getattr(node, "module", None) or node.names[0].name for node in inner]
    assert [module for module in modules if module.partition(".")[0] == "stages"] == []


def test_every_plot_is_an_out() -> None:
    made = {out for stage in STAGES for out in outs(stage)}
    plotted = set()
    for plot in DVC_YAML["plots"]:
        if isinstance(plot, str):
            plotted.add(plot)
        else:
            plotted |= {name for options in plot.values() for name in options.get("y", {})}
    assert plotted <= made
