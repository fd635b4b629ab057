"""`make gans` for real, on a tiny profile: the figures are those of the runs, and a finished run is not run again."""

import csv
import sys
from pathlib import Path

import pytest

from tools.clone import tiny_clone
from tools.profiles import PIPELINE


@pytest.mark.slow
def test_recipes_are_trained_and_measured_once(tmp_path: Path) -> None:
    project = tiny_clone(tmp_path, PIPELINE)
    (project.root / "recipes" / "few.txt").write_text("# Few.\n# Source: a test.\n-S train_gan.loss=hinge\n")
    project.run_checked("git", "add", "recipes")
    project.run_checked("git", "commit", "-qm", "-")
    command = [
        sys.executable,
        "-m",
        "tools.gans",
        "--kimg",
        "0.6",
        "--cas",
        "--folder",
        str(tmp_path),
        "default",
        "few",
    ]
    first = project.run(*command)
    assert first.returncode == 0, first.stderr
    rows = list(csv.DictReader((tmp_path / "gans.csv").read_text().splitlines()))
    assert [(row["recipe"], row["loss"], row["kimg"]) for row in rows] == [
        ("default", "non_saturating", "0.6"),
        ("few", "hinge", "0.6"),
    ]
    assert rows[0]["fd_classifier_ratio"] != rows[1]["fd_classifier_ratio"]
    assert all(0 < float(row["cas"]) < 1 for row in rows)
    head = project.run_checked("git", "rev-parse", "HEAD").strip()
    assert all(len(row["commit"]) >= 7 and head.startswith(row["commit"]) for row in rows)
    assert (tmp_path / "gans" / "few.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "gans.md").read_bytes()
    second = project.run(*command)
    assert "seed 1" not in second.stderr
    assert (tmp_path / "gans.md").read_bytes() == page
