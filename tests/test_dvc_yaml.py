"""dvc.yaml against the code and params.yaml, without running a stage."""

import ast
import importlib.util
import json
from configparser import ConfigParser
from pathlib import Path

import pytest
from dvc.render.converter.vega import get_datapoints

from stages.check import SCHEMAS
from tests.dvc_stages import PARAMS, ROOT, STAGES, entries, names, outs, plot_titles, top_level_plots

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
    """`train_gan` depends on the options of the chosen network as well, `inspect` on what D was trained by.

    `report` shows all sections, and of the networks' options those of the chosen one.
    """
    sections = ["params.yaml"] if stage == "check" else [name for name in PARAMS if name == stage]
    if stage == "report":
        sections = [name for name in PARAMS if name != OPTIONS]
    if stage in ("train_gan", "report") and OPTIONS in PARAMS:
        sections.append(f"{OPTIONS}.{PARAMS['train_gan']['network']}")
    if stage == "inspect":
        sections.append("train_gan.loss")
    assert sorted(names(STAGES[stage].get("params"))) == sorted(sections)


@pytest.mark.parametrize("stage", STAGES)
def test_files_between_stages_are_outs_and_all_follow_check(stage: str) -> None:
    made = {out for other in STAGES for out in outs(other)}
    given = ("data/init/", "data/images/")
    deps = [dep for dep in names(STAGES[stage]["deps"]) if dep.startswith("data/") and not dep.startswith(given)]
    assert set(deps) <= made
    assert ("data/check/ok.json" in deps) is (stage != "check")


@pytest.mark.parametrize("path", sorted((ROOT / "stages").rglob("*.py")), ids=lambda path: path.name)
def test_no_function_imports_a_module_of_the_project(path: Path) -> None:
    """`make deps` would not see it, because it imports the stages and calls nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inner = [n for function in functions for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
    modules = [getattr(node, "module", None) or node.names[0].name for node in inner]
    assert [module for module in modules if module.partition(".")[0] == "stages"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_run_cache_can_save_every_stage(stage: str) -> None:
    """It saves no run with an out that persists, or that is outside DVC's cache and neither a metric nor a plot."""
    kinds = {kind: entries(stage, kind) for kind in ("outs", "metrics", "plots")}
    assert [name for name, options in kinds["outs"].items() if not options.get("cache", True)] == []
    assert not any(options.get("persist") for outs_of_kind in kinds.values() for options in outs_of_kind.values())
    assert "always_changed" not in STAGES[stage]


def test_every_plot_is_an_out() -> None:
    made = {out for stage in STAGES for out in outs(stage)}
    plotted = {name for plot, options in top_level_plots().items() for name in options.get("y", {plot: None})}
    assert plotted <= made


COMMITTED = {
    path.relative_to(ROOT).as_posix(): path
    for stage in STAGES
    for path in (ROOT / "data" / stage).glob("*.*")
    if path.suffix in (".csv", ".json") and path.relative_to(ROOT).as_posix() in entries(stage, "plots")
}


def columns(path: Path) -> set[str]:
    """What DVC can draw of a file: the columns of a CSV, or the keys of the lists of objects in a JSON file."""
    if path.suffix == ".json":
        points = get_datapoints(json.loads(path.read_text(encoding="utf-8")))
        return set(points[0]) if points else set()
    return set(path.read_text(encoding="utf-8").partition("\n")[0].split(","))


def test_every_plot_of_a_stage_says_what_to_draw() -> None:
    """Otherwise DVC draws the last column by the number of the row. What holds no table is not drawn."""
    plots = {name: options for stage in STAGES for name, options in entries(stage, "plots").items()}
    assert plots.keys() == COMMITTED.keys()
    for name, options in plots.items():
        axes = {options[axis] for axis in ("x", "y") if axis in options}
        if columns(COMMITTED[name]):
            assert len(axes) == 2, name
            assert axes <= columns(COMMITTED[name]), name
            assert "title" in options, name
        else:
            assert axes == set(), name


def test_no_plot_is_drawn_twice() -> None:
    titles = plot_titles()
    assert sorted(titles) == sorted(set(titles))


def test_the_project_s_configuration_goes_before_the_user_s_where_it_would_change_a_run() -> None:
    """hydra would write another params.yaml; core.interactive asks before each stage, and stops without an answer."""
    config = ConfigParser()
    config.read_string((ROOT / ".dvc" / "config").read_text(encoding="utf-8"))
    assert not config.getboolean("hydra", "enabled")
    assert not config.getboolean("core", "interactive")
