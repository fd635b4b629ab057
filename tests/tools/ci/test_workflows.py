"""The workflows of GitHub and GitLab: jobs run targets of the Makefile, and may do little."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tools.repository import git

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
TARGETS = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
SUPPORTED = {"3.11", "3.12", "3.13"}


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def commands(entry: Any) -> list[str]:
    """Every command of a workflow: values of `run`, `script` and `after_script`."""
    if isinstance(entry, list):
        return [command for item in entry for command in commands(item)]
    if not isinstance(entry, dict):
        return []
    found = [entry[key] for key in ("run", "script", "after_script") if key in entry]
    flat = [line for value in found for line in (value if isinstance(value, list) else [value])]
    return [*flat, *(command for value in entry.values() for command in commands(value))]


@pytest.mark.parametrize("path", [*WORKFLOWS, GITLAB], ids=lambda path: path.name)
def test_a_job_runs_targets_of_the_makefile(path: Path) -> None:
    lines = [line for command in commands(read(path)) for line in command.splitlines()]
    others = ("pytest", "python -m venv", "git config --global --add safe.directory ")
    unix = [line for line in lines if "Scripts" not in line and not line.startswith(others)]
    assert unix
    for line in unix:
        found = re.match(r"make (?:--silent )?([a-z-]+)", line)
        assert found, line
        assert found[1] in TARGETS, line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    uses = re.findall(r"uses: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert uses
    for used in uses:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_only_and_stops_what_is_outdated(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert {"group", "cancel-in-progress"} == set(workflow["concurrency"])
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 120


def test_every_system_and_python_is_tested() -> None:
    jobs = read(ROOT / ".github/workflows/tests.yml")["jobs"].values()
    systems = {system for job in jobs for system in job["strategy"]["matrix"].get("os", [job["runs-on"]])}
    assert systems == {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert all(set(job["strategy"]["matrix"]["python"]) == SUPPORTED for job in jobs)
    (matrix,) = read(GITLAB)["tests"]["parallel"]["matrix"]
    assert set(matrix["PYTHON_VERSION"]) == SUPPORTED


DEBIAN_OF_GLIBC = {"glibc 2.36": "bookworm", "glibc 2.41": "trixie"}


def test_the_night_verifies_with_python_and_c_library_of_the_committed_run() -> None:
    """With others, `make verify` judges by metrics: no byte could fail it. (The workspace may hold a run.)"""
    environment = json.loads(git(ROOT, "show", "HEAD:data/train_gan/environment.json"))
    image = f"python:{environment['versions']['python']}-{DEBIAN_OF_GLIBC[environment['c_library']]}"
    assert read(ROOT / ".github/workflows/pipeline.yml")["jobs"]["verify"]["container"] == image
    assert read(GITLAB)["verify"]["image"] == image


def test_the_night_runs_the_slow_tests_too() -> None:
    """With the history that they clone; on GitLab, whose image has none, with a browser."""
    job = read(ROOT / ".github/workflows/pipeline.yml")["jobs"]["every-test"]
    assert job["if"] == "github.event_name == 'schedule'"
    assert "make test-all PYTHON=python" in commands(job)
    job = read(GITLAB)["every test"]
    assert [rule["if"] for rule in job["rules"]] == ['$CI_PIPELINE_SOURCE == "schedule"']
    assert job["script"] == ["make test-all"]
    assert "chromium" in job["before_script"][0]


def test_what_strangers_write_is_part_of_no_command() -> None:
    """Names of branches and titles reach a shell as variables alone."""
    for path in WORKFLOWS:
        for command in commands(read(path)):
            assert "${{" not in command, command


def test_only_the_pipeline_keeps_packages() -> None:
    """Beside its environment of some 3 GB there is no room for one a Python: each would throw out the others."""
    steps = [step for path in WORKFLOWS for job in read(path)["jobs"].values() for step in job["steps"]]
    assert [step for step in steps if "cache" in step.get("with", {})] == []
    kept = [step["with"]["path"] for step in steps if "actions/cache@" in step.get("uses", "")]
    assert kept == [".venv", ".dvc/cache"]


def test_metrics_are_compared_with_a_base_that_is_there() -> None:
    job = read(ROOT / ".github/workflows/pipeline.yml")["jobs"]["pipeline"]
    (checkout,) = [step for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == 0
    assert read(GITLAB)["pipeline"]["variables"]["GIT_DEPTH"] == "0"
