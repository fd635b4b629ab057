"""The recipes of CONTRIBUTING.md, all carried out in a clone: what they add runs, and they name every file to touch."""

import json
import re
import sys
from typing import Any

import pytest

from stages.common.files import read_tensors
from tests.recipes import ROOT, recipes
from tools.clone import Clone, tiny_clone
from tools.profiles import PIPELINE, combined

RECIPES = recipes((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
STEPS = [step for steps in RECIPES.values() for step in steps]
CHOSEN: dict[str, dict[str, Any]] = {
    "download": {"dataset": "few_digits"},
    "train_gan": {
        "network": "shallow",
        "auxiliary": "latents",
        "loss": "total_variation",
        "penalties": {"wgan_lp": 1.0},
        "optimizer": "nadam",
        "clip_norm": 100.0,
    },
    "evaluate": {"metrics": ["fd_classifier", "mean_distance"]},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> Clone:
    """A clone with everything that the recipes add: each is followed and committed, and touches what it names."""
    made = tiny_clone(tmp_path_factory.mktemp("additions"), PIPELINE)
    for title, steps in RECIPES.items():
        for step in steps:
            step.apply(made.root)
        assert changed_files(made) == {step.path for step in steps}, title
        made.run_checked("git", "add", "--all")
        made.run_checked("git", "commit", "--quiet", "--message", title)
    return Clone(made.root, made.environment | warm)


def changed_files(clone: Clone) -> set[str]:
    listed = clone.run_checked("git", "status", "--porcelain", "--untracked-files=all").splitlines()
    return {line[3:] for line in listed}


@pytest.mark.slow
def test_make_deps_writes_the_pipeline_alone(clone: Clone) -> None:
    clone.run_checked(sys.executable, "-m", "tools.deps")
    assert changed_files(clone) == {"dvc.yaml"}


def test_style_is_kept(clone: Clone) -> None:
    paths = [step.path for step in STEPS if step.path.endswith(".py")]
    clone.run_checked("ruff", "check", "--fix", "--quiet", *paths)
    clone.run_checked("ruff", "format", "--quiet", *paths)


@pytest.mark.slow
def test_the_tests_of_what_was_added_pass(clone: Clone) -> None:
    written = [step.path for step in STEPS if step.path.startswith("tests/")]
    printed = clone.run_checked(sys.executable, "-m", "pytest", "-q", "-n", "0", *sorted(set(written)))
    assert re.search(r"\d+ passed", printed)
    assert "failed" not in printed


@pytest.mark.slow
def test_everything_added_runs_and_is_recorded(clone: Clone) -> None:
    """One run with the new network, loss, penalty, optimiser, dataset, metric, picture, hyper-parameter and stage."""
    clone.set_params(combined(CHOSEN))
    printed = clone.dvc("repro", GAN_PROCESSES="1", GAN_DATA_SOURCE="")
    assert "Running stage 'contrast'" in printed
    _, meta = read_tensors(clone.root / "data" / "train_gan" / "generator.safetensors")
    assert meta["network"] == "shallow"
    assert meta["arguments"]["hidden"] == 128
    metrics = json.loads((clone.root / "data/evaluate/metrics.json").read_text(encoding="utf-8"))
    assert metrics["mean_distance_ratio"] > 0
    contrast = json.loads((clone.root / "data/contrast/contrast.json").read_text(encoding="utf-8"))
    assert -1 < contrast["pixel_mean"] < 1
    assert (clone.root / "data/generate/average.png").read_bytes().startswith(b"\x89PNG")
    assert "Running stage" not in clone.dvc("repro")


@pytest.mark.slow
def test_edits_of_what_was_added_are_seen(clone: Clone) -> None:
    """After the run above: `make deps` has listed each file for the stage that it is part of."""
    edited = {
        "stages/gan/networks/shallow.py": "train_gan",
        "stages/gan/auxiliary/latents.py": "train_gan",
        "stages/datasets/sets/few_digits.py": "download",
        "stages/metrics/means.py": "evaluate",
        "stages/contrast.py": "contrast",
    }
    before = {path: (clone.root / path).read_text(encoding="utf-8") for path in edited}
    for path, text in before.items():
        (clone.root / path).write_text(f"{text}# Changed.\n", encoding="utf-8")
    try:
        status = json.loads(clone.run(sys.executable, "-m", "dvc", "status", "--json").stdout)
    finally:
        for path, text in before.items():
            (clone.root / path).write_text(text, encoding="utf-8")
    for path, stage in edited.items():
        assert any(path in str(change) for change in status[stage]), path
