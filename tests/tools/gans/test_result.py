"""What of a run is kept, and when it is run again."""

from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.gans.__main__ import recipes
from tools.gans.result import Kept, Result, last_signs
from tools.gans.run import with_length
from tools.repository import git


def result(recipe: str = "hinge", seed: int = 1, distance: float | None = 2.0, **changes: object) -> Result:
    values: dict[str, object] = {
        "recipe": recipe,
        "seed": seed,
        "kimg": 64.0,
        "network": "dcgan",
        "loss": "hinge",
        "dataset": "mnist",
        "seconds": 60.0,
        "core_seconds": 100.0,
        "metrics": {
            "fd_classifier": {"value": 0.8, "ratio": distance},
            "coverage": {"value": 0.9, "ratio": 0.95},
            "gan_test_accuracy": {"value": 0.98, "ratio": 0.99},
        },
        "classes_lost": 0,
        "num_classes": 10,
        "signs": "",
        "cas": None,
        "commit": "abc1234",
        "machine": "a processor, 2 cores",
    }
    return Result.model_validate(values | changes)


def test_a_recipe_keeps_its_own_length() -> None:
    assert with_length(["train_gan.loss=hinge"], 128) == ["train_gan.loss=hinge", "train_gan.total_kimg=128"]
    assert with_length(["train_gan.total_kimg=512", "a=1"], 128) == ["train_gan.total_kimg=512", "a=1"]


def commit(project: Path) -> None:
    git(project, "add", "-A", throw_away=True)
    git(project, "commit", "-qm", "-", throw_away=True)


def test_a_finished_run_is_found_again_and_no_other(project: Path) -> None:
    kept = Kept(project, 64.0, with_cas=False)
    path = kept.path("hinge", ["train_gan.loss=hinge"], 1)
    assert kept.read(path) is None
    kept.write(path, result(), b"png")
    assert kept.read(path) == result()
    assert path.with_suffix(".png").read_bytes() == b"png"
    for other in (
        kept.path("hinge", ["train_gan.loss=hinge"], 2),
        kept.path("hinge", ["train_gan.loss=minimax"], 1),
        kept.path("wgan", ["train_gan.loss=hinge"], 1),
        Kept(project, 32.0, with_cas=False).path("hinge", ["train_gan.loss=hinge"], 1),
        Kept(project, 64.0, with_cas=True).path("hinge", ["train_gan.loss=hinge"], 1),
    ):
        assert kept.read(other) is None


@pytest.mark.parametrize("text", ["", "{", '{"recipe": "hinge"}'])
def test_a_record_that_cannot_be_read_or_has_no_picture_is_none(text: str, project: Path) -> None:
    kept = Kept(project, 64.0, with_cas=False)
    path = kept.path("hinge", [], 1)
    kept.write(path, result(), b"png")
    path.with_suffix(".png").unlink()
    assert kept.read(path) is None
    kept.write(path, result(), b"png")
    path.write_text(text)
    assert kept.read(path) is None


@pytest.mark.parametrize(("name", "is_kept"), [("stages/code.py", False), ("params.yaml", False), ("README.md", True)])
def test_other_code_or_params_are_another_run_but_other_words_are_not(name: str, is_kept: bool, project: Path) -> None:
    before = Kept(project, 64.0, with_cas=False).folder
    (project / name).write_text("2\n")
    commit(project)
    assert (Kept(project, 64.0, with_cas=False).folder == before) is is_kept


def test_the_signs_are_those_of_the_last_look(tmp_path: Path) -> None:
    path = tmp_path / "monitor.csv"
    path.write_text("kimg,signs\n8,collapse\n16,\n")
    assert last_signs(path) == ""
    path.write_text("kimg,signs\n8,\n16,collapse class_lost\n")
    assert last_signs(path) == "collapse class_lost"
    path.write_text("kimg,signs\n")
    assert last_signs(path) == ""


def test_a_recipe_that_is_not_there_is_refused_with_those_that_are() -> None:
    root = Path(__file__).parents[3]
    with pytest.raises(UserError, match=r"^expected recipes of default, .*fast.*, found no_such_gan$"):
        recipes(root, ["hinge", "no_such_gan"])
    assert recipes(root, ["default"]) == {"default": []}
    assert recipes(root, []).keys() == {"default", *(path.stem for path in (root / "recipes").glob("*.txt"))}
