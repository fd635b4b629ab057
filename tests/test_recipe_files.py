"""The recipes in recipes/: each says where it comes from, and gives params that the pipeline takes."""

import shutil
from pathlib import Path

import pytest

from stages import check
from stages.common.params import read_params_file, validate_section
from stages.train_gan import STAGE, Params
from tools.record.recipe import apply, read_recipe

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").iterdir())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_changes_the_params_to_others_that_are_valid(recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    before = read_params_file(path)
    apply(read_recipe(recipe), path)
    after = read_params_file(path)
    assert after != before
    check.run(path, ROOT / "requirements.txt", tmp_path / "data")
    params = validate_section(after, STAGE, Params)
    assert params.snapshots_due(params.total_steps) > 0


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_line_of_a_recipe_is_a_comment_or_an_argument_of_dvc_exp_run(recipe: Path) -> None:
    """So that `grep -v '^#' recipes/<name>.txt` gives the arguments."""
    lines = recipe.read_text(encoding="ascii").splitlines()
    assert recipe.suffix == ".txt"
    assert any(line.startswith("# Source: ") for line in lines)
    assert all(line.startswith(("# ", "-S ")) for line in lines)
