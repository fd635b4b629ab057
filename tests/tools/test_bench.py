import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.common.cores import available_cores
from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools import bench
from tools.bench import Contender, Timing, contenders, paired_ratios, report, run_once, run_rounds
from tools.bench_worker import COUNT, DIGITS, repeated_digits
from tools.tables import cells


def test_contenders_share_the_parts_and_rivals_use_all_cores() -> None:
    whole, in_turn, *teams = contenders(shards=4, cores=3)
    assert (whole.processes, whole.threads, whole.shards) == (1, 3, 1)
    assert (in_turn.processes, in_turn.threads, in_turn.shards) == (1, 3, 4)
    assert [(team.processes, team.threads, team.shards) for team in teams] == [(1, 1, 4), (2, 1, 4), (4, 1, 4)]
    assert [team.processes for team in contenders(shards=2, cores=3)[2:]] == [1, 2]


def test_ratios_by_hand() -> None:
    """Medians 20 and 30: 1.5; rounds 30/10, 20/20, 40/25: median 1.6."""
    assert paired_ratios([10, 20, 25], [30, 20, 40]) == pytest.approx((1.5, 1.6))
    of_medians, of_rounds = paired_ratios([10], [5])
    assert of_medians == of_rounds == 0.5  # slower than the rival


def test_the_report_gives_medians_ranges_and_ratios_to_the_first_row() -> None:
    rounds = {
        "rival": [Timing(2, 50), Timing(3, 100), Timing(4, 60)],
        "team": [Timing(5, 40), Timing(5, 50), Timing(6, 45)],
    }
    rows = cells(report(rounds, 90))
    assert rows[0] == ["contender", "ms a step", "images/s", "speed", "speed, paired", "start-up s"]
    assert rows[2] == ["rival", "60.0 (50.0 - 100.0)", "1500", "1.00", "1.00", "3.0 (2.0 - 4.0)"]
    assert rows[3] == ["team", "45.0 (40.0 - 50.0)", "2000", "1.33", "1.33", "5.0 (5.0 - 6.0)"]


def test_rounds_are_interleaved_and_begin_with_another_contender_each(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def fake(contender: Contender, warm_up: int, steps: int) -> Timing:
        assert (warm_up, steps) == (3, 7)
        order.append(contender.name)
        return Timing(0, len(order))

    monkeypatch.setattr(bench, "run_once", fake)
    rounds = run_rounds([Contender(name, 1, 1, 1) for name in "abc"], repeats=2, warm_up=3, steps=7)
    assert "".join(order) == "abcbca"
    assert {name: [timing.step_ms for timing in timings] for name, timings in rounds.items()} == {
        "a": [1, 6],
        "b": [2, 4],
        "c": [3, 5],
    }


def test_the_digits_are_those_of_the_tests_repeated() -> None:
    digits = repeated_digits()
    assert digits.images.shape == (COUNT, 1, 28, 28)
    assert digits.images.amin() == -1
    assert digits.images.amax() == 1
    labels = gzip.decompress((DIGITS / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert bytes(digits.labels[: len(labels)].tolist()) == labels
    assert torch.equal(digits.images[len(labels)], digits.images[0])


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_measurement_for_real(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PROCESSES", "not a number")  # settings of the user's stage do not reach it
    timing = run_once(Contender("team", processes, 1, 4), warm_up=0, steps=1)
    assert timing.startup_s > 0
    assert timing.step_ms > 0


def test_a_failure_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "ROOT", Path("/"))  # without this project's modules
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(UserError, match=r"team: exit code 1\n.*tools"):
        run_once(Contender("team", 1, 1, 4), warm_up=0, steps=1)


@pytest.mark.slow
def test_the_program_prints_a_table_of_all_contenders() -> None:
    command = [sys.executable, "-m", "tools.bench", "--repeats=1", "--steps=1", "--warm-up=0"]
    done = subprocess.run(command, cwd=bench.ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shards = read_params_file(bench.ROOT / "params.yaml")["train_gan"]["shards"]
    for contender in contenders(shards, available_cores()):
        assert f"| {contender.name}" in done.stdout
