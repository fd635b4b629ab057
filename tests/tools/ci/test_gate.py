"""What counts as a lock that is not in step."""

from pathlib import Path
from typing import Any

import pytest

from tests.dvc_stages import STAGES, entries
from tools.ci.gate import cached_outs, changes

ROOT = Path(__file__).parents[3]
OUT = "data/generate/samples.safetensors"


def test_results_in_git_have_to_be_there() -> None:
    cached = cached_outs(ROOT)
    assert OUT in cached
    uncached = {
        name
        for stage in STAGES
        for kind in ("metrics", "plots")
        for name, options in entries(stage, kind).items()
        if not options.get("cache", True)
    }
    assert "data/evaluate/metrics.json" in uncached
    assert not cached & uncached


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"changed outs": {OUT: "not in cache"}}, None),
        ({"changed deps": {OUT: "deleted"}}, None),
        ({"changed outs": {OUT: "modified"}}, f"generate: {OUT}: modified"),
        ({"changed deps": {"stages/generate.py": "deleted"}}, "generate: stages/generate.py: deleted"),
        ({"changed deps": {"stages/generate.py": "modified"}}, "generate: stages/generate.py: modified"),
        ({"changed outs": {"data/evaluate/metrics.json": "deleted"}}, "generate: data/evaluate/metrics.json: deleted"),
        (
            {"changed deps": {"params.yaml": {"generate.seed": "modified", "generate.pull": "new"}}},
            "generate: params.yaml: generate.seed modified, generate.pull new",
        ),
        ("changed command", "generate: changed command"),
    ],
)
def test_what_is_missing_alone_is_no_change(entry: Any, line: str | None) -> None:
    assert changes({"generate": [entry]}, cached_outs(ROOT)) == ([] if line is None else [line])


def test_after_a_run_nothing_may_be_missing() -> None:
    assert changes({"generate": [{"changed outs": {OUT: "deleted"}}]}, set()) == [f"generate: {OUT}: deleted"]


def test_a_status_without_entries_is_in_step() -> None:
    assert changes({}, set()) == []
