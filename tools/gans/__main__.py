"""Train every recipe and write docs/gans.md: `make gans KIMG=128 SEEDS=3`.

Each run is `dvc exp run` in a clean clone of the committed state. A run that is finished is kept in .gans/, so that a
series that was stopped goes on where it was; other code, params or another text of the recipe is another run. Rows of
recipes that were not named stay in the table, each with its commit, until the recipe is deleted.
"""

import argparse
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.failures import errors_in_one_line
from tools.fresh import interruptible
from tools.gans.page import BEGIN, END, PAGE, write_page
from tools.gans.result import Kept, Result
from tools.gans.run import RECIPES, commit_of, run_recipe, with_length
from tools.marks import require_marks
from tools.record.recipe import read_recipe
from tools.repeat import clone_of_head
from tools.repository import find_project

DEFAULT = "default"
"""The committed params, without a recipe."""


def recipes(root: Path, named: list[str]) -> dict[str, list[str]]:
    """The settings of the default and of every recipe, or of those that are named; others raise UserError."""
    paths = recipe_files(root)
    if unknown := [name for name in named if name not in (DEFAULT, *paths)]:
        raise UserError(f"expected recipes of {', '.join([DEFAULT, *paths])}, found {', '.join(unknown)}")
    return {name: read_recipe(paths[name]) if name in paths else [] for name in named or [DEFAULT, *paths]}


def recipe_files(root: Path) -> dict[str, Path]:
    """The files of all recipes by name."""
    return {path.stem: path for path in sorted((root / RECIPES).glob("*.txt"))}


def measure(root: Path, options: argparse.Namespace) -> dict[str, str]:
    """Run what is missing, and write the page after each recipe. Returns why recipes failed, by name."""
    kept, chosen = Kept(root, options.kimg, options.cas), recipes(root, options.recipe)
    folder = options.folder or root / "docs"
    require_marks(folder / PAGE, BEGIN, END)
    results: list[Result] = []
    pictures: dict[str, bytes] = {}
    failed: dict[str, str] = {}
    existing = (DEFAULT, *recipe_files(root))
    with clone_of_head(root) as clone:
        for name, own in chosen.items():
            try:
                runs, picture = _over_seeds(kept, clone, name, own, options)
            except UserError as error:
                print(f"gans: {error}", file=sys.stderr, flush=True)
                failed[name] = str(error)
                continue
            results += runs
            pictures[name] = picture
            write_page(folder, results, pictures, existing, failed)
    if results and failed:  # the last of them, too
        write_page(folder, results, pictures, existing, failed)
    return failed


def _over_seeds(
    kept: Kept, clone: Path, name: str, own: list[str], options: argparse.Namespace
) -> tuple[list[Result], bytes]:
    """The results of a recipe with each seed, and the picture of seed 1; what is not kept is run."""
    results, settings, commit = [], with_length(own, options.kimg), commit_of(clone, name, own)
    for seed in range(1, options.seeds + 1):
        path = kept.path(name, settings, seed)
        if kept.read(path) is None:
            print(f"{name}, seed {seed} of {options.seeds}", file=sys.stderr, flush=True)
            kept.write(path, *run_recipe(clone, name, settings, seed, options.cas, commit))
        result = kept.read(path)
        assert result is not None
        results.append(result)
    return results, kept.path(name, settings, 1).with_suffix(".png").read_bytes()


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.gans", description=__doc__)
    parser.add_argument("recipe", nargs="*", help="names of recipes, or `default`; all if none is named")
    parser.add_argument(
        "--kimg",
        type=float,
        default=128.0,
        help="length of a training, in thousands of images, where a recipe names none",
    )
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the training: 1, 2, ...")
    parser.add_argument("--cas", action="store_true", help="measure CAS too, which takes minutes")
    parser.add_argument("--folder", type=Path, help="where to write; default: docs")
    options = parser.parse_args()
    with interruptible(), errors_in_one_line("gans"):
        if options.seeds < 1 or not options.kimg > 0:
            raise UserError(f"expected at least 1 seed and more than 0 kimg, found {options.seeds}, {options.kimg:g}")
        if failed := measure(find_project(Path()), options):
            sys.exit(f"gans: {len(failed)} of the recipes did not run; see above")


if __name__ == "__main__":
    main()
