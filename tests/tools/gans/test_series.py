"""Several series after each other, with a training that takes no time."""

import argparse
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tests.tools.gans.test_result import commit, result
from tools.gans import __main__ as gans
from tools.gans.page import read_csv
from tools.gans.result import Result
from tools.gans.run import LENGTH
from tools.repository import git


class Trainings:
    """In the place of run_recipe: what was run, and what is to fail."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failing = ""

    def __call__(
        self, _clone: Path, recipe: str, settings: list[str], seed: int, _with_cas: bool, commit: str
    ) -> tuple[Result, bytes]:
        if recipe == self.failing:
            raise UserError(f"{recipe}: out of luck")
        self.done.append(recipe)
        kimg = float(settings[-1].removeprefix(f"{LENGTH}="))
        return result(recipe, seed, kimg=kimg, commit=commit), b"png"


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(gans, "run_recipe", trainings)
    return trainings


def series(project: Path, *named: str, kimg: float = 128.0) -> str:
    """The page after a series."""
    options = argparse.Namespace(recipe=list(named), kimg=kimg, seeds=1, cas=False, folder=None)
    gans.measure(project, options)
    return (project / "docs" / "gans.md").read_text()


def rows(project: Path) -> dict[str, Result]:
    return {row.recipe: row for row in read_csv(project / "docs" / "gans.csv")}


def test_the_row_of_a_recipe_that_fails_is_said_to_be_of_an_earlier_series(project: Path, trainings: Trainings) -> None:
    series(project)
    trainings.failing = "hinge"
    page = series(project, kimg=64)
    assert {name: row.kimg for name, row in rows(project).items()} == {"hinge": 128, "default": 64}
    assert "\nThe row of hinge is of an earlier series; in this one it failed: hinge: out of luck.\n" in page
    assert "Not in the table" not in page


def test_a_series_of_another_length_says_nothing_of_the_other_rows(project: Path, trainings: Trainings) -> None:
    before, after = series(project), series(project, "hinge", kimg=64)
    assert {name: row.kimg for name, row in rows(project).items()} == {"default": 128, "hinge": 64}
    assert before.partition("\n|")[0] == after.partition("\n|")[0]


def test_a_recipe_that_is_renamed_leaves_no_row(project: Path, trainings: Trainings) -> None:
    series(project)
    (project / "recipes" / "hinge.txt").rename(project / "recipes" / "other.txt")
    page = series(project, "other")
    assert rows(project).keys() == {"default", "other"}
    assert "hinge.txt" not in page


def test_a_plus_marks_what_was_run_of_a_recipe_that_is_not_committed(project: Path, trainings: Trainings) -> None:
    (project / "recipes" / "hinge.txt").write_text("# More.\n-S train_gan.loss=hinge\n")  # the same settings
    (project / "recipes" / "new.txt").write_text("-S train_gan.loss=minimax\n")
    series(project)
    head = git(project, "rev-parse", "--short", "HEAD").strip()
    assert {name: row.commit for name, row in rows(project).items()} == {
        "default": head,
        "hinge": head,
        "new": f"{head}+",
    }
    commit(project)
    (project / "recipes" / "new.txt").write_text("-S train_gan.loss=wasserstein\n")
    series(project)
    assert rows(project)["new"].commit == git(project, "rev-parse", "--short", "HEAD").strip() + "+"


def test_only_what_is_not_kept_is_run(project: Path, trainings: Trainings) -> None:
    series(project)
    (record,) = (project / ".gans").rglob("hinge_*.json")
    record.write_text("{")
    series(project)
    assert trainings.done == ["default", "hinge", "hinge"]
    record.with_suffix(".png").unlink()
    series(project)
    assert trainings.done == ["default", "hinge", "hinge", "hinge"]
