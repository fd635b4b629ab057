"""Trains and measures a recipe with a seed in a clean clone, as `dvc exp run` does."""

import os
import time
from pathlib import Path

from stages.common.errors import UserError
from stages.common.grids import grid_png
from stages.common.images import load_image_set
from stages.common.params import read_params_file
from tools.bench.machine import machine
from tools.fresh import run_dvc
from tools.gans.result import Result, read_result
from tools.record.recipe import read_recipe
from tools.repository import git

STRIP = 10
"""Samples in a recipe's picture."""
LENGTH = "train_gan.total_kimg"
RECIPES = "recipes"


def with_length(settings: list[str], kimg: float) -> list[str]:
    """The settings with that length of training, in kimg, if the recipe does not name its own."""
    named = any(setting.startswith(f"{LENGTH}=") for setting in settings)
    return settings if named else [*settings, f"{LENGTH}={kimg:g}"]


def run_recipe(
    clone: Path, recipe: str, settings: list[str], seed: int, with_cas: bool, commit: str
) -> tuple[Result, bytes]:
    """The result and a picture of the first samples. Raises UserError if a stage fails.

    clone: of the committed state, in which earlier runs may have left their results; commit: as of commit_of.
    """
    git(clone, "checkout", "--quiet", "--force", "HEAD", throw_away=True)
    changes = [f"--set-param={change}" for change in (*settings, f"train_gan.seed={seed}")]
    # What comes before the training, so that the clock counts the training alone.
    _dvc(recipe, clone, "exp", "run", "--quiet", *changes, "normalize", "train_classifier")
    start, before = time.monotonic(), _core_seconds()
    _dvc(recipe, clone, "repro", "--quiet", "train_gan")
    seconds, core_seconds = time.monotonic() - start, _core_seconds() - before
    # Without labels, no classifier can learn from the samples.
    with_cas = with_cas and bool(read_params_file(clone / "params.yaml")["train_gan"]["conditional"])
    _dvc(recipe, clone, "repro", "--quiet", "evaluate", *(["usefulness"] if with_cas else []))
    result = read_result(clone, recipe, seed, (seconds, core_seconds), with_cas, (commit, machine()))
    return result, strip(clone / "data" / "generate" / "samples.safetensors")


def strip(path: Path) -> bytes:
    """The first samples beside each other, as PNG: one of each class if there are as many classes."""
    samples = load_image_set(path)
    return grid_png(samples.images[:STRIP], STRIP)


def commit_of(clone: Path, recipe: str, own: list[str]) -> str:
    """The short hash of the commit whose code and params run there; with a + if the recipe has other settings there.

    own: what the recipe says in the user's folder, committed or not.
    """
    path = clone / RECIPES / f"{recipe}.txt"
    committed = read_recipe(path) if path.exists() else []
    return git(clone, "rev-parse", "--short", "HEAD").strip() + ("" if committed == own else "+")


def _core_seconds() -> float:
    """Processor time of all programs that were started from here and have ended; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


def _dvc(recipe: str, clone: Path, *arguments: str) -> None:
    if code := run_dvc(clone, *arguments):
        raise UserError(f"{recipe}: dvc {arguments[0]} failed (exit code {code}); see its message above")
