"""What is concluded from the bytes of two records, and how a record is read."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from tools.dvc_lock import Out
from tools.proof import (
    DESCRIBED,
    ENVIRONMENT,
    GENERATOR,
    Record,
    bytes_verdict,
    changed_inputs,
    different_fields,
    different_outs,
    environments_table,
    outs_table,
    read_record,
)

RECORD = Record(
    outs={GENERATOR: Out("train_gan", "a1", 1000), "data/train_gan/samples": Out("train_gan", "b2.dir", 20)},
    inputs={"train_gan:stages/train_gan.py": "c3", "train_gan:params.yaml: train_gan": "{}"},
    environment={"device": "cpu", "gpu": None, "versions": {"torch": "2"}, DESCRIBED: "d4"},
    metrics={},
    params={},
    stale=[],
)
OTHER_BYTES = dataclasses.replace(RECORD, outs=RECORD.outs | {GENERATOR: Out("train_gan", "ff", 1001)})


def elsewhere(record: Record, **fields: Any) -> Record:
    return dataclasses.replace(record, environment=(record.environment or {}) | fields)


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


OLD = {"processor": {"vendor_id": "AuthenticAMD", "model": "1"}}
NEW = {"processor": OLD["processor"] | {"features": "avx avx2 fma"}}


@pytest.mark.parametrize(("committed", "here"), [(OLD, NEW), (NEW, OLD), (OLD, OLD)])
def test_a_record_without_the_processor_s_instructions_is_not_known_to_be_of_the_same(
    committed: dict[str, Any], here: dict[str, Any]
) -> None:
    """As those of earlier versions: other bytes are judged by the metrics, and the same bytes pass."""
    assert bytes_verdict(elsewhere(RECORD, **committed), elsewhere(OTHER_BYTES, **here)) is None
    same = bytes_verdict(elsewhere(RECORD, **committed), elsewhere(RECORD, **here))
    assert same
    assert same.passed
    assert "as far as it is known (not processor.features, which an earlier version did not record)" in same.reason
    moved = bytes_verdict(elsewhere(RECORD, **committed), elsewhere(RECORD, **here, device="cuda"))
    assert moved
    assert moved.reason.endswith("differs in device")


def test_processors_that_differ_in_instructions_alone_are_other_environments() -> None:
    without = {"processor": NEW["processor"] | {"features": "avx avx2"}}
    assert bytes_verdict(elsewhere(RECORD, **NEW), elsewhere(OTHER_BYTES, **without)) is None
    verdict = bytes_verdict(elsewhere(RECORD, **NEW), elsewhere(OTHER_BYTES, **NEW))
    assert verdict
    assert not verdict.passed


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


def test_the_same_bytes_pass_though_environment_json_is_of_another_generator() -> None:
    """As after a run that DVC took from its run cache; what made the outs is then not known."""
    verdict = bytes_verdict(elsewhere(RECORD, generator_sha256="stale"), RECORD)
    assert verdict is not None
    assert verdict.passed
    assert "another generator, so what made them is not known" in verdict.reason
    assert "same environment" not in verdict.reason


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


@pytest.mark.parametrize("content", ["stages: [", "stages: 3", "stages: {a: {outs: [{path: b}]}}", "\x00"])
def test_a_broken_lock_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(content, encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^dvc\.lock cannot be read \(.+\); `git checkout dvc\.lock` .+ `dvc repro`$"
    ) as raised:
        read_record(tmp_path)
    assert "\n" not in str(raised.value)
