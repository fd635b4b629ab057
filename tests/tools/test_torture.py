"""`make torture` in short: a few real kills, and that it notices faults."""

import dataclasses
import tempfile
from pathlib import Path

import pytest

from tests.faults import inject
from tools import torture as module
from tools.clone import Changes, Clone
from tools.kills import KINDS, Plan
from tools.torture import Outcome, report, torture

KILL = Plan("all", "training", when=0.6, processes=1, processes_after=1, turn_a_bit=False, hasty=True)
SHORT = [
    dataclasses.replace(KILL, moment="checkpoint", when=0.61, turn_a_bit=True),
    dataclasses.replace(KILL, victim="dvc", moment="outs"),
]
"""Each the end of more than one process, at a moment at which a file is being written."""


@pytest.mark.slow
def test_the_bytes_are_the_same_after_any_kill() -> None:
    outcomes = torture(dict(enumerate(SHORT)))
    assert [outcome.problems for outcome in outcomes] == [[]] * len(SHORT)
    # A stage whose DVC is killed among the outs may write the last one and remove its checkpoint before it notices.
    # torture itself demands that a run continues from a checkpoint if one is left.
    assert outcomes[0].resumed
    assert [outcome.turned for outcome in outcomes] == [True, False]


@pytest.mark.slow
def test_every_kind_of_kill() -> None:
    outcomes = torture({number: Plan.draw(2, number) for number in range(len(KINDS))})
    assert {(outcome.plan.victim, outcome.plan.moment) for outcome in outcomes} == set(KINDS)
    assert [outcome.problems for outcome in outcomes] == [[]] * len(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no EMA in the checkpoint", "no optimiser of D in the checkpoint"])
def test_what_a_checkpoint_lacks_is_noticed(fault: str) -> None:
    def prepare(clone: Clone) -> None:
        inject(clone.root, fault)

    (outcome,) = torture({0: KILL}, prepare)
    assert outcome.resumed
    (problem,) = outcome.problems
    assert problem.startswith("different bytes: ")
    assert "data/train_gan/generator.safetensors" in problem


def test_plans_are_functions_of_seed_and_number_and_take_all_kinds_in_turn() -> None:
    plans = [Plan.draw(1, number) for number in range(2 * len(KINDS))]
    assert plans == [Plan.draw(1, number) for number in range(2 * len(KINDS))]
    assert plans != [Plan.draw(2, number) for number in range(2 * len(KINDS))]
    for turn in (plans[: len(KINDS)], plans[len(KINDS) :]):
        assert sorted((plan.victim, plan.moment) for plan in turn) == sorted(KINDS)
    assert all(plan.processes == 2 for plan in plans if plan.victim == "worker")


def test_report_counts_by_kind() -> None:
    good = Outcome(KILL, caught_writing=True, turned=False, resumed=True, problems=[])
    bad = dataclasses.replace(good, caught_writing=False, problems=["different bytes: x"])
    lines = report([good, bad, good]).splitlines()
    assert lines[0] == "all     killed, training    : 2 of 3 identical"
    assert "2 left a half-written file" in lines
    assert lines[-1] == "2 of 3 identical"


def test_processes_are_found_where_the_temporary_folder_is_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder", target_is_directory=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    given: list[Path] = []

    def fake(folder: Path, _: Changes) -> Clone:
        given.append(folder)
        raise InterruptedError

    monkeypatch.setattr(module, "tiny_clone", fake)
    with pytest.raises(InterruptedError):
        torture({})
    assert given[0].parent == (tmp_path / "folder").resolve()
