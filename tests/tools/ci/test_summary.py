"""The summary of a job: whose figures it shows."""

import json
from pathlib import Path

import pytest

from tools.ci import summary


def test_a_run_that_drew_nothing_has_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that fails is summed up, too, and in its clone lie the committed figures and words."""
    table = {"metrics": "the committed metrics", "params": summary.NOTHING}
    monkeypatch.setattr(summary, "_table", lambda _root, kind, *_: table[kind])
    (tmp_path / "data/evaluate").mkdir(parents=True)
    (tmp_path / "data/evaluate/details.json").write_text(json.dumps({"in_plain_words": "good: all"}), encoding="utf-8")
    assert summary.figures(tmp_path) == [summary.NO_RUN]
    (tmp_path / "data/generate").mkdir()
    (tmp_path / summary.DRAWN).write_bytes(b"samples")
    assert summary.figures(tmp_path) == ["the committed metrics", "In the pipeline's own words: *good: all*."]
