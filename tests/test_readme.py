"""The README against the project: its figures, picture, commands, links and settings."""

import hashlib
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tools import readme

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "init" / "README.md"]


def test_figures_are_those_of_the_committed_run() -> None:
    assert readme.written(TEXT, ROOT) == TEXT, "python -m tools.readme writes them"


def test_the_picture_is_that_of_the_committed_run() -> None:
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text(encoding="utf-8"))
    recorded = {out["path"]: out["md5"] for out in lock["stages"]["generate"]["outs"]}
    found = hashlib.md5((ROOT / "docs" / "samples.png").read_bytes(), usedforsecurity=False).hexdigest()
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
