"""Several seeds in one clone, with real git and DVC, on a pipeline that takes a moment."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools import seeds, spread
from tools.intervals import prediction_interval, reach
from tools.judge import confidence_of_each
from tools.repeat import check_changes, run_seed
from tools.repository import git

ROOT = Path(__file__).parents[2]
PARAMS = "train_gan:\n  seed: 0\n  penalties:\n    r1: 1\n"
DVC_YAML = """
stages:
  evaluate:
    cmd: python -c "import shutil; shutil.copy('params.yaml', 'result.txt')"
    params: [train_gan]
    outs: [result.txt]
"""
ADDED = ["+train_gan.penalties.wgan_gp=10"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A committed project that has not run."""
    root = tmp_path / "clone"
    root.mkdir()
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (root / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    commands = (
        ("init", "--quiet", "--initial-branch=main"),
        ("config", "user.name", "Test"),
        ("config", "user.email", "test@example.org"),
        ("add", "--all"),
        ("commit", "--quiet", "--message", "Toy"),
    )
    for command in commands:
        git(root, *command, throw_away=True)
    return root


@pytest.mark.slow
def test_a_key_is_added_for_each_seed(clone: Path) -> None:
    """Which DVC refuses where an earlier seed has left it in params.yaml."""
    for seed in (1, 2):
        params = run_seed(clone, seed, ("train_gan",), ADDED).params["train_gan"]
        assert params == {"seed": seed, "penalties": {"r1": 1, "wgan_gp": 10}}


def test_changes_are_tried_on_a_copy(clone: Path) -> None:
    check_changes(clone, [])
    check_changes(clone, ADDED)
    with pytest.raises(UserError, match=r"^DVC refuses the settings"):
        check_changes(clone, ["train_gan.lose=hinge"])
    assert (clone / "params.yaml").read_text(encoding="utf-8") == PARAMS


@pytest.fixture
def in_clone(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone in which `make seeds` then runs."""

    @contextlib.contextmanager
    def clone_of_head(_root: Path) -> Iterator[Path]:
        yield clone

    monkeypatch.setattr(seeds, "clone_of_head", clone_of_head)
    return clone


def test_a_wrong_change_is_refused_before_the_first_run(in_clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> seeds.Values:
        raise AssertionError

    monkeypatch.setattr(seeds, "run_seeds", never)
    with pytest.raises(UserError, match=r"^DVC refuses the settings"):
        seeds.seeds(in_clone, 2, ["train_gan.lose=hinge"])


def test_the_first_table_is_not_lost_with_the_second_setting(
    in_clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_seeds(_clone: Path, _count: int, changes: list[str]) -> seeds.Values:
        if changes:
            raise UserError("the run failed")
        return {"fd_classifier": [1.0, 2.0]}

    monkeypatch.setattr(seeds, "run_seeds", run_seeds)
    with pytest.raises(UserError, match="the run failed"):
        seeds.seeds(in_clone, 2, ADDED)
    printed = capsys.readouterr().out
    assert "2 seeds of the committed setting" in printed
    assert "| fd_classifier |  1.5 |" in printed


def test_two_seeds_are_no_spread_to_judge_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a dozen metrics, their intervals would reach 187 standard deviations; those of three reach 18."""
    monkeypatch.setattr(sys, "argv", ["spread", "--seeds", "2"])
    with pytest.raises(SystemExit, match=r"^spread: expected at least 3 seeds, found 2$"):
        spread.main()
    assert reach(2, confidence_of_each(12)) == pytest.approx(187, abs=1)
    assert reach(3, confidence_of_each(12)) == pytest.approx(18, abs=1)


def test_the_reach_is_that_of_the_interval() -> None:
    low, high = prediction_interval([-1.0, 0.0, 1.0], 0.9)  # of standard deviation 1
    assert (-low, high) == pytest.approx([reach(3, 0.9)] * 2)
