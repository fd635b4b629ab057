"""The summary of a job: whose figures it shows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.ci import summary
from tools.repository import git

PIPELINE = """
stages:
  draw:
    cmd: cp input data/drawn
    deps: [input]
    outs: [data/drawn]
  evaluate:
    cmd: test ! -e broken && cp input data/evaluate/metrics.json
    deps: [data/drawn]
    metrics: [data/evaluate/metrics.json: {cache: false}]
  two_sample:
    cmd: cp input data/metrics.json
    deps: [data/evaluate/metrics.json]
    metrics: [data/metrics.json: {cache: false}]
"""


def dvc(root: Path, *arguments: str) -> int:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, check=False)
    return done.returncode


@pytest.mark.slow
def test_figures_of_the_commit_are_not_those_of_a_run_that_did_not_get_that_far(tmp_path: Path) -> None:
    """In a real repository: a job that fails is summed up, too, and in its clone lie committed figures and words."""
    git(tmp_path, "init", "--quiet")
    assert dvc(tmp_path, "init", "--quiet") == 0
    (tmp_path / "data/evaluate").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "data/evaluate/details.json").write_text(json.dumps({"in_plain_words": "good: all"}), encoding="utf-8")
    (tmp_path / "input").write_text('{"committed": 1}', encoding="utf-8")
    assert dvc(tmp_path, "repro") == 0
    git(tmp_path, "add", "--all")
    git(tmp_path, "-c", "user.name=-", "-c", "user.email=-", "commit", "--quiet", "--message", "all")
    all_ran = summary.figures(tmp_path)
    assert all_ran[0].count("metrics.json") == 2
    assert all_ran[-1] == "In the pipeline's own words: *good: all*."

    (tmp_path / "data/drawn").unlink()
    (tmp_path / ".dvc/cache").rename(tmp_path / "elsewhere")  # a clone, before any run
    assert summary.figures(tmp_path) == ["No figures: the run did not get that far."]

    (tmp_path / "input").write_text('{"of_this_run": 2}', encoding="utf-8")
    (tmp_path / "broken").touch()
    assert dvc(tmp_path, "repro") != 0
    assert summary.figures(tmp_path) == ["No figures: the run did not get that far."]


def test_a_stage_that_did_not_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    def table(_root: Path, *arguments: str) -> str:
        shown.append(arguments)
        return summary.NOTHING

    monkeypatch.setattr(summary, "_table", table)
    monkeypatch.setattr(summary, "read_status", lambda _root: {"two_sample": ["changed deps"], "report": []})
    (tmp_path / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "data/evaluate").mkdir(parents=True)
    (tmp_path / "data/evaluate/details.json").write_text(json.dumps({"in_plain_words": "good: all"}), encoding="utf-8")
    *_, words, left = summary.figures(tmp_path)
    assert shown[0] == ("metrics", "show", "data/evaluate/metrics.json")
    assert words == "In the pipeline's own words: *good: all*."
    assert left == "No figures of two_sample: the run did not get that far."


@pytest.mark.parametrize("text", ["a: [", "stages: {draw: 7}"])
def test_where_dvc_cannot_tell_its_reason_is_given(text: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert dvc(tmp_path, "init", "--quiet") == 0
    (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
    (line,) = summary.figures(tmp_path)
    assert line.startswith("No figures: dvc status: ")
