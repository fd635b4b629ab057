"""A record's curve for real: training and track in a throw-away folder."""

import hashlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.classifier.model import Classifier
from stages.common.errors import UserError
from stages.common.files import write_tensors
from stages.common.images import load_image_set
from stages.gan import devices
from stages.gan.devices import Choice
from tests.evaluation_inputs import CLASSIFIER, TRAIN
from tools.clone import ROOT
from tools.profiles import PIPELINE, params_with
from tools.record import run
from tools.record.clock import Times
from tools.record.run import FILES, measure, require_recorded_files


@pytest.fixture
def project(normalized: Path, trained_classifier: Classifier, tmp_path: Path) -> Path:
    """A project with the tests' digits, a small classifier, and tiny params."""
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "stages").symlink_to(ROOT / "stages")
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params_with(PIPELINE), file)
    (root / "data" / "init").mkdir()
    (root / "data" / "normalize").symlink_to(normalized / "normalize")
    classes = load_image_set(root / "data" / TRAIN).classes
    meta = {"arguments": trained_classifier.arguments, "classes": classes}
    write_tensors(root / "data" / CLASSIFIER, trained_classifier.state_dict(), meta)
    return root


@pytest.mark.slow
def test_a_curve_for_real(project: Path) -> None:
    """1,000 images in steps of 100, a snapshot every 300."""
    curve = measure(project, ["train_gan.snapshot_kimg=0.3", "train_gan.seed=2"], requested=1)
    assert [point.kimg for point in curve.points] == [0.3, 0.6, 0.9]
    assert all(0 < point.seconds <= curve.end for point in curve.points)
    assert curve.floor > 0
    assert curve.processes == 1
    assert sorted(path.name for path in (project / "data").iterdir()) == ["init", "normalize", "train_classifier"]
    assert not (project / ".checkpoints").exists()


def test_without_a_finished_run_it_says_what_is_missing(project: Path) -> None:
    (project / "data" / CLASSIFIER).unlink()
    with pytest.raises(UserError, match=r"classifier\.safetensors is missing; `dvc checkout"):
        measure(project, [])


def test_params_are_checked_before_the_clock_starts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Times:
        raise AssertionError

    monkeypatch.setattr(run, "train", never)
    with pytest.raises(UserError, match=r"train_gan\.lr_g"):
        measure(project, ["train_gan.lr_g=-1"])


def test_processes_are_those_of_the_gpus(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One GPU takes one process; the processor would take a process for each part."""
    counts: list[str] = []

    def train(_folder: Path, environment: dict[str, str]) -> Times:
        counts.append(environment["GAN_PROCESSES"])
        return Times({}, 1.0, went_wrong=True)

    monkeypatch.setattr(run, "train", train)
    monkeypatch.setattr(devices, "choose", lambda _name: Choice("cuda", [0]))
    assert measure(project, ["train_gan.total_kimg=100"]).points == []
    assert counts == ["1"]
    with pytest.raises(UserError, match="expected at most 1 on cuda"):
        measure(project, [], requested=2)


def lock(root: Path) -> None:
    """Record the files in data/ as DVC does."""
    stages: dict[str, dict[str, list[dict[str, object]]]] = {}
    for name in FILES:
        content = (root / "data" / name).read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        out = {"path": f"data/{name}", "md5": md5, "size": len(content)}
        stages.setdefault(name.partition("/")[0], {"outs": []})["outs"].append(out)
    with (root / "dvc.lock").open("w", encoding="utf-8") as file:
        YAML().dump({"stages": stages}, file)


def test_a_record_is_of_the_digits_and_the_classifier_of_the_lock(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock(project)
    require_recorded_files(project, is_record=True)
    with (project / "data" / CLASSIFIER).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match=r"found others in data/train_classifier/classifier\.safetensors; `dvc"):
        require_recorded_files(project, is_record=True)
    assert capsys.readouterr().err == ""
    require_recorded_files(project, is_record=False)
    assert capsys.readouterr().err.startswith("record: warning: a record is measured on the files that dvc.lock")
