"""The README against the project: its figures, picture, commands, links and settings."""

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tools import damages, readme
from tools.clone import tiny_clone
from tools.tables import cells

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "init" / "README.md"]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last commit: the workspace may hold another run, as after an experiment."""
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


def test_the_picture_is_that_of_the_committed_run(committed: Path) -> None:
    lock = YAML(typ="safe").load((committed / "dvc.lock").read_text(encoding="utf-8"))
    recorded = {out["path"]: out["md5"] for out in lock["stages"]["generate"]["outs"]}
    found = hashlib.md5((committed / "docs" / "samples.png").read_bytes(), usedforsecurity=False).hexdigest()
    assert found == recorded["data/generate/samples.png"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_make_target_is_told_and_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", TEXT)) == targets


def test_every_setting_is_told_and_read() -> None:
    runtime = (ROOT / "stages/common/runtime.py").read_text(encoding="utf-8")
    assert set(re.findall(r"`(GAN_\w+)`", TEXT)) == set(re.findall(r'"(GAN_\w+)"', runtime))


def test_every_stage_is_told() -> None:
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages:
        assert f"\n| {stage} |" in TEXT


@pytest.mark.slow
def test_the_tiny_profile_runs_the_whole_chain(tmp_path: Path) -> None:
    """As it stands there, on the tests' digits; something is to be seen of every stage."""
    block = TEXT.partition("<!-- tiny -->\n```console\n")[2].partition("```\n<!-- /tiny -->")[0]
    command = block.replace("\\\n", " ").split("$ ")[2]
    clone = tiny_clone(tmp_path, {})
    clone.must("bash", "-c", command)
    (name,) = clone.dvc("exp", "list", "--name-only").split()
    commit = re.findall(r"[0-9a-f]{40}", clone.must("git", "ls-remote", ".", f"refs/exps/*/{name}"))[0]
    for table in ("track/track.csv", "train_gan/history.csv"):
        assert len(clone.must("git", "show", f"{commit}:data/{table}").splitlines()) > 3
    assert "cas" in json.loads(clone.must("git", "show", f"{commit}:data/usefulness/cas.json"))
