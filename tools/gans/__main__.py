"""Train every recipe within the same budget and write docs/gans.md: `make gans KIMG=128 SEEDS=3`.

Each run is `dvc exp run` in a clean clone of the committed state. A run that is finished is kept in .gans/, so that a
series that was stopped goes on where it was; other code, params or another text of the recipe is another run.
"""

import argparse
import sys
from pathlib import Path

from stages.common.errors import UserError
from tools.bench.machine import commit, machine
from tools.fresh import interruptible
from tools.gans.page import write_page
from tools.gans.result import Kept, Result
from tools.gans.run import run_recipe, within_budget
from tools.record.recipe import read_recipe
from tools.repeat import clone_of_head
from tools.repository import find_project

DEFAULT = "default"
"""The committed params, without a recipe."""


def recipes(root: Path, named: list[str]) -> dict[str, list[str]]:
    """The settings of the default and of every recipe, or of those that are named; others raise UserError."""
    paths = {path.stem: path for path in sorted((root / "recipes").glob("*.txt"))}
    if unknown := [name for name in named if name not in (DEFAULT, *paths)]:
        raise UserError(f"expected recipes of {', '.join([DEFAULT, *paths])}, found {', '.join(unknown)}")
    return {name: read_recipe(paths[name]) if name in paths else [] for name in named or [DEFAULT, *paths]}


def measure(root: Path, options: argparse.Namespace) -> None:
    """Run what is missing, and write the page after each recipe."""
    kept, chosen = Kept(root, options.kimg, options.cas), recipes(root, options.recipe)
    results: list[Result] = []
    pictures: dict[str, bytes] = {}
    with clone_of_head(root) as clone:
        for name, own in chosen.items():
            settings = within_budget(own, options.kimg)
            for seed in range(1, options.seeds + 1):
                path = kept.path(name, settings, seed)
                if kept.read(path) is None:
                    print(f"{name}, seed {seed} of {options.seeds}", file=sys.stderr, flush=True)
                    kept.write(path, *run_recipe(clone, name, settings, seed, options.cas))
                result = kept.read(path)
                assert result is not None
                results.append(result)
            pictures[name] = kept.path(name, settings, 1).with_suffix(".png").read_bytes()
            write_page(options.folder or root / "docs", results, pictures, conditions(root, options))


def conditions(root: Path, options: argparse.Namespace) -> str:
    """What all rows have in common."""
    return (
        f"Each recipe with at most {options.kimg:g} kimg and {options.seeds} seed{'s' * (options.seeds > 1)}, commit "
        f"{commit(root)}, on {machine()}. Distance and coverage are ratios to the floor, on test images."
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.gans", description=__doc__)
    parser.add_argument("recipe", nargs="*", help="names of recipes, or `default`; all if none is named")
    parser.add_argument("--kimg", type=float, default=128.0, help="the longest training, in thousands of images")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the training: 1, 2, ...")
    parser.add_argument("--cas", action="store_true", help="measure CAS too, which takes minutes")
    parser.add_argument("--folder", type=Path, help="where to write; default: docs")
    options = parser.parse_args()
    with interruptible():
        try:
            if options.seeds < 1 or not options.kimg > 0:
                raise UserError(
                    f"expected at least 1 seed and more than 0 kimg, found {options.seeds}, {options.kimg:g}"
                )
            measure(find_project(Path()), options)
        except UserError as error:
            sys.exit(f"gans: {error}")


if __name__ == "__main__":
    main()
