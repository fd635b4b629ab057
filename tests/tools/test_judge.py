"""What is concluded from two records: bytes first, then metrics by the spread over seeds."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools.intervals import prediction_interval
from tools.judge import CONFIDENCE, SECTIONS, comparable_params, judge, measure, summarise
from tools.proof import (
    DESCRIBED,
    ENVIRONMENT,
    GENERATOR,
    Out,
    Record,
    bytes_verdict,
    changed_inputs,
    different_fields,
    different_outs,
    environments_table,
    outs_table,
    read_record,
)

ROOT = Path(__file__).parents[2]
PARAMS: dict[str, Any] = read_params_file(ROOT / "params.yaml")
FD = {"value": 1.2, "floor": 0.4, "ratio": 3.0}
RECORD = Record(
    outs={GENERATOR: Out("train_gan", "a1", 1000), "data/train_gan/samples": Out("train_gan", "b2.dir", 20)},
    inputs={"train_gan:stages/train_gan.py": "c3", "train_gan:params.yaml: train_gan": "{}"},
    environment={"device": "cpu", "gpu": None, "versions": {"torch": "2"}, DESCRIBED: "d4"},
    metrics={"fd_classifier": FD},
    params=PARAMS,
    stale=[],
)
OTHER_BYTES = dataclasses.replace(RECORD, outs=RECORD.outs | {GENERATOR: Out("train_gan", "ff", 1001)})


def elsewhere(record: Record, **fields: Any) -> Record:
    return dataclasses.replace(record, environment=(record.environment or {}) | fields)


# --- bytes ---


def test_the_same_bytes_pass_anywhere() -> None:
    here = bytes_verdict(RECORD, RECORD)
    assert here
    assert here.passed
    assert "all 2 outs" in here.reason
    there = bytes_verdict(RECORD, elsewhere(RECORD, device="cuda"))
    assert there
    assert there.passed
    assert "differs in device" in there.reason


def test_other_bytes_in_the_same_environment_fail() -> None:
    verdict = bytes_verdict(RECORD, elsewhere(OTHER_BYTES, generator_sha256="other"))
    assert verdict
    assert not verdict.passed
    assert "1 of 2 outs" in verdict.reason


def test_other_bytes_in_another_environment_are_left_to_the_metrics() -> None:
    assert bytes_verdict(RECORD, elsewhere(OTHER_BYTES, versions={"torch": "3"})) is None


@pytest.mark.parametrize("outs", [{}, RECORD.outs | {"data/new": Out("new", "e5", 1)}])
def test_an_out_too_few_or_too_many_is_a_difference(outs: dict[str, Out]) -> None:
    again = dataclasses.replace(RECORD, outs=outs)
    assert different_outs(RECORD, again)
    verdict = bytes_verdict(RECORD, again)
    assert verdict
    assert not verdict.passed


def test_a_size_alone_is_a_difference() -> None:
    again = dataclasses.replace(RECORD, outs=RECORD.outs | {GENERATOR: Out("train_gan", "a1", 1)})
    assert different_outs(RECORD, again) == [GENERATOR]


def test_without_a_description_of_the_environment_other_bytes_fail() -> None:
    verdict = bytes_verdict(dataclasses.replace(RECORD, environment=None), OTHER_BYTES)
    assert verdict
    assert not verdict.passed
    assert ENVIRONMENT in verdict.reason


def test_inputs_that_changed_after_the_lock_are_named() -> None:
    again = dataclasses.replace(OTHER_BYTES, inputs=RECORD.inputs | {"train_gan:stages/train_gan.py": "x"})
    assert changed_inputs(RECORD, again) == ["stages/train_gan.py"]
    verdict = bytes_verdict(RECORD, again)
    assert verdict
    assert "stages/train_gan.py" in verdict.reason
    same_bytes = bytes_verdict(RECORD, dataclasses.replace(RECORD, inputs=again.inputs))
    assert same_bytes
    assert same_bytes.passed


def test_a_description_of_another_generator_fails() -> None:
    verdict = bytes_verdict(elsewhere(RECORD, generator_sha256="stale"), RECORD)
    assert verdict
    assert not verdict.passed
    assert "another generator" in verdict.reason


def test_a_committed_file_that_the_lock_does_not_record_fails() -> None:
    verdict = bytes_verdict(dataclasses.replace(RECORD, stale=["data/evaluate/metrics.json"]), RECORD)
    assert verdict
    assert not verdict.passed
    assert "data/evaluate/metrics.json" in verdict.reason


def test_tables_show_every_out_and_every_field() -> None:
    table = outs_table(RECORD, dataclasses.replace(OTHER_BYTES, outs=OTHER_BYTES.outs | {"data/x/y": Out("x", "1", 5)}))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert cells == [
        ["train_gan", "generator.safetensors", "different", "1,000", "1,001"],
        ["train_gan", "samples", "same", "20", "20"],
        ["x", "y", "different", "-", "5"],
    ]
    again = elsewhere(RECORD, gpu={"model": "fast"}, versions={"torch": "3"}, generator_sha256="other")
    assert different_fields(RECORD, again) == ["versions.torch", "gpu.model"]
    table = environments_table(RECORD, again)
    assert [line.split()[1] for line in table.splitlines()[2:]] == ["device", "gpu", "versions.torch", "gpu.model"]


# --- reading ---


def test_a_record_is_read_from_a_folder(tmp_path: Path) -> None:
    lock = """
schema: '2.0'
stages:
  first:
    cmd: x
    deps:
    - {path: code.py, hash: md5, md5: aa, size: 1}
    params:
      params.yaml:
        first: {seed: 1}
    outs:
    - {path: data/first/in_git.txt, hash: md5, md5: 5d41402abc4b2a76b9719d911017c592, size: 5}
    - {path: data/first/changed.txt, hash: md5, md5: ff, size: 5}
    - {path: data/first/folder, hash: md5, md5: bb.dir, size: 7, nfiles: 2}
  second:
    cmd: x
    deps:
    - {path: data/first/folder, hash: md5, md5: bb.dir, size: 7, nfiles: 2}
"""
    (tmp_path / "dvc.lock").write_text(lock, encoding="utf-8")
    (tmp_path / "params.yaml").write_text("first: {seed: 1}\n", encoding="utf-8")
    (tmp_path / "data" / "first" / "folder").mkdir(parents=True)
    for name in ("in_git", "changed"):
        (tmp_path / "data" / "first" / f"{name}.txt").write_text("hello", encoding="utf-8")
    record = read_record(tmp_path)
    assert record.outs["data/first/folder"] == Out("first", "bb.dir", 7)
    assert record.inputs == {"first:code.py": "aa", "first:params.yaml: first": '{"seed": 1}'}
    assert record.stale == ["data/first/changed.txt"]
    assert (record.environment, record.metrics, record.params) == (None, {}, {"first": {"seed": 1}})


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dvc\.lock is not committed"):
        read_record(tmp_path)
    (tmp_path / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    (tmp_path / "params.yaml").write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"dvc\.lock records no outs"):
        read_record(tmp_path)


# --- metrics ---


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
    assert set(comparable_params(PARAMS)) == set(SECTIONS)
    assert json.loads(json.dumps(comparable_params(PARAMS))) == comparable_params(PARAMS)


def test_measures() -> None:
    assert measure(FD, "ratio") == 3
    assert measure(FD, "difference") == pytest.approx(0.8)
    assert measure(None, "ratio") is None
