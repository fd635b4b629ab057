"""What is measured of training, in which order, and which figures follow."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stages.common.errors import UserError
from tests.stage_process import wait_until
from tools.bench import task as tasks
from tools.bench.cases import (
    BATCH,
    LIMIT,
    SHARES,
    STEP,
    WIDTH,
    Case,
    all_cases,
    figures_of,
    limit_figures,
    run_rounds,
    share_figures,
    speed_figures,
)
from tools.bench.figures import Figure, figure, ratios
from tools.bench.task import ROOT, Results, Task, run_task
from tools.bench.worker import KINDS, TUTORIAL


def by_place(figures: list[Figure]) -> dict[tuple[str, str], float]:
    return {(row.case, row.unit): row.value for row in figures}


def test_every_group_is_measured_and_every_kind_exists() -> None:
    cases = all_cases(cores=2, warm_up=1, steps=8)
    assert {case.group for case in cases} == {STEP, LIMIT, SHARES, BATCH, WIDTH}
    assert {case.task.kind for case in cases} <= KINDS.keys() | {TUTORIAL}
    assert len(set(cases)) == len(cases)


def test_the_rival_comes_first_and_uses_all_cores() -> None:
    steps = [case for case in all_cases(cores=3, warm_up=1, steps=8) if case.group == STEP]
    assert (steps[0].task.kind, steps[0].task.threads, steps[0].task.processes) == (TUTORIAL, 3, 1)
    teams = [(case.task.processes, case.task.threads) for case in steps[3:]]
    assert teams == [(1, 1), (2, 1), (4, 1)]


def test_more_work_takes_fewer_steps() -> None:
    batches = {case.images: case.task.steps for case in all_cases(2, 1, 8) if case.group == BATCH}
    assert [steps for _, steps in sorted(batches.items())] == [32, 8, 2]


def test_rounds_are_interleaved_and_a_task_runs_once_in_each() -> None:
    order: list[str] = []

    def run(name: str, _task: Task) -> Results:
        order.append(name)
        return {"n": len(order)}

    cases = [Case("g", name, Task(kind), 1) for name, kind in (("a", "x"), ("b", "y"), ("same as b", "y"))]
    rounds = run_rounds(cases, 2, run)
    assert order == ["g a", "g b", "g b", "g a"]
    assert [[result["n"] for result in results] for results in rounds.values()] == [[1, 4], [2, 3], [2, 3]]


def test_medians_ranges_and_ratios_by_hand() -> None:
    assert figure("g", "c", "u", [3, 1, 10]) == Figure("g", "c", "u", 3, 1, 10)
    assert ratios([30, 20], [10, 40]) == [3, 0.5]


def result(step_ms: float) -> Results:
    return {"step_ms": step_ms, "startup_s": 2.0, "peak_mib": 500.0}


def test_speed_is_relative_to_the_rival_round_by_round() -> None:
    """50 and 100 ms against 25 and 200: twice and half as fast."""
    rival, team = Case(STEP, "tutorial loop, 1 process", Task(TUTORIAL), 10), Case(STEP, "team", Task("steps"), 10)
    figures = speed_figures({rival: [result(50), result(100)], team: [result(25), result(200)]})
    places = by_place(figures)
    assert places["team", "images/s"] == pytest.approx((400 + 50) / 2)
    relative = next(row for row in figures if row.case == "team" and row.unit == "relative to tutorial loop")
    assert (relative.low, relative.high) == (0.5, 2)
    assert places["tutorial loop, 1 process", "relative to tutorial loop"] == 1


def test_growth_is_relative_to_the_committed_params() -> None:
    cases = {Case(BATCH, f"batch of {n}", Task("steps"), n): [result(ms)] for n, ms in ((1, 1), (4, 2), (16, 16))}
    places = by_place(speed_figures(cases))
    assert [places[f"batch of {n}", "relative to batch of 4"] for n in (1, 4, 16)] == [0.5, 1, 0.5]


def test_the_share_of_the_limit_by_hand() -> None:
    """10 ms of a step of 40 ms; 3 giga-operations in 10 ms are 300 a second."""
    own: Results = {"step_ms": 40, "limit_ms": 10, "gflop": 3, "peak_gflops": 90, "product_ms": 10, "product_gflop": 3}
    places = by_place(limit_figures([own]))
    assert places["a whole step on one thread", "limit / time, %"] == 25
    assert places["all of these: the limit", "GFLOP/s"] == 300
    assert places["a whole step on one thread", "GFLOP/s"] == 75
    assert places["a large matrix product", "GFLOP/s"] == 90
    assert ("convolutions", "ms") not in places  # a network without them


def test_shares_are_given_in_percent_and_in_order() -> None:
    figures = share_figures([{"draws": 0.25, "G: forward": 0.75, "peak_mib": 1.0}])
    assert [(row.case, row.value) for row in figures] == [("G: forward", 75), ("draws", 25)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["steps", LIMIT])
def test_one_measurement_for_real(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PROCESSES", "not a number")  # settings of the user's stage do not reach it
    figures = run_task("own", Task(kind, warm_up=0, steps=1))
    assert figures["step_ms"] > 0
    assert figures["peak_mib"] > 100  # torch alone is some hundreds


@pytest.mark.slow
def test_a_team_for_real() -> None:
    figures = run_task("team", Task(SHARES, processes=2, warm_up=0, steps=1))
    figures.pop("peak_mib")
    assert sum(figures.values()) == pytest.approx(1)


def test_a_failure_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "ROOT", Path("/"))  # without this project's modules
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(UserError, match=r"team: exit code 1\n.*tools"):
        run_task("team", Task("steps"))


@pytest.mark.slow
def test_the_program_writes_table_picture_and_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.bench", "--repeats=1", "--steps=1", "--warm-up=0", "--only=training"]
    done = subprocess.run(
        [*command, f"--folder={tmp_path}"], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"speed.csv", "speed.png", "speed.md"}
    for case in all_cases(cores=1, warm_up=0, steps=1):
        if case.group in (BATCH, WIDTH):
            assert f"| {case.name}" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no closed terminals")
def test_a_closed_terminal_ends_what_it_measures(tmp_path: Path) -> None:
    """Without writing; nothing that it started runs on."""
    command = [sys.executable, "-m", "tools.bench", "--repeats=1", "--only=training", f"--folder={tmp_path}"]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as bench:
        running = psutil.Process(bench.pid)
        wait_until(running.children)
        started = running.children(recursive=True)
        bench.send_signal(signal.SIGHUP)
        assert bench.wait(timeout=60) == 128 + signal.SIGHUP
    assert psutil.wait_procs(started, timeout=20)[1] == []
    assert list(tmp_path.iterdir()) == []


def test_figures_of_all_groups() -> None:
    limit: Results = {"step_ms": 40, "limit_ms": 10, "gflop": 3, "peak_gflops": 90}
    rounds = {
        case: [limit if case.group == LIMIT else {"draws": 1.0} if case.group == SHARES else result(10)]
        for case in all_cases(cores=2, warm_up=0, steps=1)
    }
    assert {row.group for row in figures_of(rounds)} == {STEP, LIMIT, SHARES, BATCH, WIDTH}
