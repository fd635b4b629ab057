"""Metrics of another environment, judged by the spread over seeds."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from stages.common.params import read_params_file
from tools.intervals import prediction_interval
from tools.judge import (
    CONFIDENCE,
    NETWORKS,
    SECTIONS,
    comparable_params,
    is_of_other_params,
    judge,
    measure,
    summarise,
)
from tools.proof import Record

ROOT = Path(__file__).parents[2]
PARAMS: dict[str, Any] = read_params_file(ROOT / "params.yaml")
FD = {"value": 1.2, "floor": 0.4, "ratio": 3.0}
RECORD = Record(outs={}, inputs={}, environment=None, metrics={}, params=PARAMS, stale=[])


def entry(value: float, floor: float, error: float | None = None, ratio: bool = True) -> dict[str, Any]:
    return {
        "value": value,
        "floor": floor,
        "floor_standard_error": error,
        "ratio": value / floor if ratio and floor > 0 else None,
    }


RUNS = [
    {
        "fd_classifier": entry(1 + seed / 10, 0.5),
        "kd_classifier": entry(0.004 + seed / 1000, 0.001, error=0.0009),
        "c_t": entry(seed, -1),
        "undefined": {"value": None, "floor": None, "ratio": None},
    }
    for seed in range(5)
]
SPREAD = {"seeds": [1, 2, 3, 4, 5], "params": comparable_params(PARAMS), "metrics": summarise(RUNS)}


def test_ratios_where_the_floor_is_clear_and_differences_elsewhere() -> None:
    summary = summarise(RUNS)
    assert {name: one["by"] for name, one in summary.items()} == {
        "fd_classifier": "ratio",
        "kd_classifier": "difference",
        "c_t": "difference",
    }
    fd = summary["fd_classifier"]
    assert fd["values"] == pytest.approx([2, 2.2, 2.4, 2.6, 2.8])
    assert fd["mean"] == pytest.approx(2.4)
    assert summary["c_t"]["values"] == [1, 2, 3, 4, 5]


def test_all_metrics_together_have_the_confidence() -> None:
    """Bonferroni: of three, each is outside by chance with a third of the probability."""
    fd = summarise(RUNS)["fd_classifier"]
    interval = prediction_interval([2, 2.2, 2.4, 2.6, 2.8], 1 - (1 - CONFIDENCE) / 3)
    assert (fd["low"], fd["high"]) == pytest.approx(interval)
    assert fd["high"] - fd["low"] > 2 * 2.776 * 0.31  # wider than one metric's 95 %


def run_with(**changes: dict[str, Any]) -> Record:
    return dataclasses.replace(RECORD, metrics=copy.deepcopy(RUNS[2]) | changes)


def test_a_run_like_the_seeds_passes() -> None:
    verdict, table = judge(run_with(), SPREAD)
    assert verdict.passed
    assert "all 3 metrics" in verdict.reason
    assert table.count("inside") == 3


@pytest.mark.parametrize("fd", [entry(10, 0.5), entry(-5, 0.5), entry(1, -1), {"value": None}, None])
def test_a_metric_outside_or_missing_fails(fd: dict[str, Any] | None) -> None:
    changes = {"fd_classifier": fd} if fd else {}
    record = run_with(**changes)
    if not fd:
        del record.metrics["fd_classifier"]
    verdict, table = judge(record, SPREAD)
    assert not verdict.passed
    assert "fd_classifier" in verdict.reason
    assert "kd_classifier" not in verdict.reason
    assert table.count("outside") == 1


def test_the_floor_of_the_run_itself_counts() -> None:
    """Another classifier scales distances: twice the value over twice the floor is the same ratio."""
    assert judge(run_with(fd_classifier=entry(2.4, 1.0)), SPREAD)[0].passed
    assert not judge(run_with(fd_classifier=entry(2.4, 0.1)), SPREAD)[0].passed


def test_the_spread_of_other_params_judges_nothing() -> None:
    other = dataclasses.replace(RECORD, params=PARAMS | {"generate": PARAMS["generate"] | {"num_images": 3}})
    verdict, table = judge(other, SPREAD)
    assert not verdict.passed
    assert "other params" in verdict.reason
    assert table == ""


def test_seeds_of_trainings_and_the_device_are_no_other_params() -> None:
    changed = copy.deepcopy(PARAMS)
    for section, key, value in (
        ("train_gan", "seed", 9),
        ("train_classifier", "seed", 9),
        ("train_gan", "device", "x"),
    ):
        changed[section][key] = value
    changed["track"] = {}
    assert comparable_params(changed) == comparable_params(PARAMS)
    assert set(comparable_params(PARAMS)) - {NETWORKS} == set(SECTIONS)
    assert json.loads(json.dumps(comparable_params(PARAMS))) == comparable_params(PARAMS)


def test_measures() -> None:
    assert measure(FD, "ratio") == 3
    assert measure(FD, "difference") == pytest.approx(0.8)
    assert measure(None, "ratio") is None


def test_the_committed_spread_is_that_of_the_committed_params() -> None:
    """Otherwise nothing could be judged by it: `make spread` measures it anew."""
    spread = json.loads((ROOT / "tools" / "spread.json").read_text(encoding="utf-8"))
    assert not is_of_other_params(spread, PARAMS)


def test_a_key_added_since_the_spread_was_measured_is_not_compared_but_every_other_one_is() -> None:
    added = copy.deepcopy(PARAMS)
    added["train_gan"]["new"] = 1
    assert not is_of_other_params(SPREAD, added)
    params: Any = SPREAD["params"]
    for section, values in params.items():
        for key in values:
            changed, missing = copy.deepcopy(PARAMS), copy.deepcopy(PARAMS)
            changed[section][key] = "another value"
            del missing[section][key]
            assert is_of_other_params(SPREAD, changed), key
            assert is_of_other_params(SPREAD, missing), key


def test_of_the_networks_only_the_options_of_the_chosen_one_count() -> None:
    network = PARAMS["train_gan"]["network"]
    params = PARAMS | {"networks": {network: {"width": 1}, "another": {"depth": 2}}}
    assert comparable_params(params)["networks"] == {network: {"width": 1}}
