"""The README against the project: figures, pictures, stages; and the settings and the tiny profile of docs/."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tools import damages, readme, tiny
from tools.clone import tiny_clone
from tools.tables import cells

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / tiny.PAGE).read_text(encoding="utf-8")
"""The page with the environment variables and the tiny profile."""


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last commit: the workspace may hold another run, for example after an experiment."""
    folder = tmp_path_factory.mktemp("committed")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_figures_are_those_of_the_committed_run(committed: Path) -> None:
    text = (committed / "README.md").read_text(encoding="utf-8")
    assert readme.written(text, committed) == text, "python -m tools.readme writes them"


def test_whole_digits_among_the_damaged_score_the_floors_of_the_committed_run(committed: Path) -> None:
    details = json.loads((committed / "data/evaluate/details.json").read_text(encoding="utf-8"))
    header, _, whole, *_ = cells((committed / damages.DOCUMENT).read_text(encoding="utf-8"))
    floors = [damages.shown(details["metrics"][name]["floor"]) for name in header[1:]]
    assert whole == ["whole", *floors]


@pytest.mark.parametrize("picture", readme.PICTURES, ids=lambda path: path.name)
def test_a_picture_is_that_of_the_committed_run(picture: Path, committed: Path) -> None:
    lock = YAML(typ="safe").load((committed / "dvc.lock").read_text(encoding="utf-8"))
    recorded = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    shown = readme.PICTURES[picture]
    content = (committed / shown).read_bytes()
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == recorded[picture.as_posix()], (
        "python -m tools.readme copies it"
    )
    pages = TEXT + (ROOT / "docs/how-a-gan-works.md").read_text(encoding="utf-8")
    assert f"]({shown.as_posix()})" in pages or f"]({shown.name})" in pages


def test_the_column_that_the_readme_explains_is_one_of_its_table() -> None:
    (column,) = re.findall(r"The column \*([\w ]+)\* is", TEXT)
    assert re.search(rf"^\| figure .*\| {column} +\|", TEXT, re.MULTILINE)


def test_the_page_of_settings_lists_each_one_that_is_read() -> None:
    runtime = (ROOT / "stages/common/runtime.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(GAN_\w+)` \|", SETTINGS, re.MULTILINE)) == set(re.findall(r'"(GAN_\w+)"', runtime))


def test_the_readme_lists_every_stage() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages:
        assert f"\n| {stage} |" in TEXT


def test_the_first_screen_is_short_and_begins_with_the_picture() -> None:
    assert TEXT.index("](docs/training.gif)") < 200
    assert len(TEXT.splitlines()) <= 160


@pytest.mark.slow
def test_the_tiny_profile_runs_the_whole_chain(tmp_path: Path) -> None:
    """The command as the page gives it, on the tests' digits: every stage leaves results.

    They are so few that a judge needs smaller batches.
    """
    block = SETTINGS.partition("<!-- tiny -->\n```console\n")[2].partition("```\n<!-- /tiny -->")[0]
    command = block.replace("\\\n", " ").split("$ ")[2].strip()
    clone = tiny_clone(tmp_path, {})
    clone.run_checked("bash", "-c", f"{command} -S two_sample.batch_size=20")
    (name,) = clone.dvc("exp", "list", "--name-only").split()
    commit = re.findall(r"[0-9a-f]{40}", clone.run_checked("git", "ls-remote", ".", f"refs/exps/*/{name}"))[0]
    for table in ("track/track.csv", "train_gan/history.csv"):
        assert len(clone.run_checked("git", "show", f"{commit}:data/{table}").splitlines()) > 3
    assert "cas" in json.loads(clone.run_checked("git", "show", f"{commit}:data/usefulness/cas.json"))
