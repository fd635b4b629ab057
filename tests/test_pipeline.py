"""A real `dvc repro` in a clone, on a tiny profile.

Stages run in forks of one process that has loaded torch (tests/warm). The last test, which is slow, runs each of them
once more in a new interpreter, as users do, and compares every byte.

The tests that take `project` share one clone and run in the order of this file; pytest-xdist keeps them in one
process if it is called with --dist loadfile, as the Makefile does.
"""

import csv
import datetime
import hashlib
import io
import json
import re
import shutil
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML

from stages.common.params import read_params_file
from tests.dvc_stages import PARAMS, ROOT, STAGES, downstream, names, outs, plot_titles
from tools.clone import Clone, tiny_clone, user_environment
from tools.profiles import PIPELINE, Changes


class Project(Clone):
    """A clone of the working tree, with the dataset `tiny` and the tiny profile."""

    def files(self) -> dict[str, bytes]:
        """All files that stages wrote."""
        folders = [self.root / "data" / stage for stage in STAGES]
        paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths if path.name != ".gitignore"
        }

    def locked_outs(self) -> dict[str, str]:
        """The hashes of all outs in dvc.lock; those of deps change with a comment in the code."""
        lock = YAML(typ="safe").load((self.root / "dvc.lock").read_text(encoding="utf-8"))
        return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def changed_stages(project: Project) -> set[str]:
    """The stages that `dvc status` lists: their own dependencies changed."""
    return set(re.findall(r"^(\w+):$", project.dvc("status"), re.MULTILINE))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, warm: dict[str, str]) -> Iterator[Project]:
    """The clone before anything ran."""
    folder = tmp_path_factory.mktemp("pipeline")
    made = tiny_clone(folder, PIPELINE)
    made.run_checked("git", "config", "user.name", "Test")
    made.run_checked("git", "config", "user.email", "test@example.org")
    yield Project(made.root, made.environment | warm | {"GAN_PROCESSES": "1"})
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def first_run(project: Project) -> str:
    """What the first `dvc repro` printed; its results are committed, as a user would."""
    printed = project.dvc("repro")
    project.run_checked("git", "add", "--all")
    project.run_checked("git", "commit", "--quiet", "--message", "Results")
    return printed


def test_repro_runs_every_stage_and_writes_every_out(project: Project, first_run: str) -> None:
    for stage in STAGES:
        assert f"Running stage '{stage}'" in first_run
        for out in outs(stage):
            assert (project.root / out).exists(), out
    samples = {path.name for path in (project.root / "data" / "train_gan" / "samples").iterdir()}
    assert samples == {"real.png", "epoch_0001.png", "epoch_0002.png", "final.png"}
    metrics = json.loads(project.files()["data/evaluate/metrics.json"])
    assert set(metrics) == {"fd_classifier_ratio", "coverage", "gan_test_accuracy", "c_t"}
    assert not list(project.root.rglob("*.partial"))


def test_nothing_that_git_or_dvc_does_not_know_is_left(project: Project, first_run: str) -> None:
    """Cached outs are ignored by Git, the others were committed; checkpoints are gone."""
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert not [path for path in (project.root / ".checkpoints").rglob("*") if path.is_file()]
    declared = [out for stage in STAGES for out in outs(stage)]
    environment = "data/train_gan/environment.json"
    for name in project.files().keys() - {environment}:
        assert any(name == out or name.startswith(f"{out}/") for out in declared), name
    assert environment in project.run("git", "ls-files").stdout.split()


def test_a_second_repro_does_nothing(project: Project, first_run: str) -> None:
    before = project.files()
    printed = project.dvc("repro")
    assert "Running stage" not in printed
    assert "Data and pipelines are up to date." in printed
    assert project.files() == before


def png_chunks(content: bytes) -> list[bytes]:
    chunks, position = [], 8
    while position < len(content):
        (size,) = struct.unpack_from(">I", content, position)
        chunks.append(content[position + 4 : position + 8])
        position += size + 12
    return chunks


def test_no_file_tells_where_or_when_it_was_made(project: Project, first_run: str) -> None:
    day = datetime.datetime.now(tz=datetime.UTC)
    days = [day, day - datetime.timedelta(days=1)]
    dates = [date.strftime(form) for date in days for form in ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%b %d", "%d %b")]
    forbidden = [socket.gethostname(), str(project.root), str(ROOT), str(Path.home()), *dates]
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in forbidden if text))
    for name, content in project.files().items():
        if name.endswith(".png"):
            assert set(png_chunks(content)) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}, name
        elif name.endswith(".safetensors"):
            header = content[8 : 8 + int.from_bytes(content[:8], "little")]
            assert set(json.loads(header)["__metadata__"]) == {"meta"}, name
            assert not pattern.search(header.decode()), name
        elif name.endswith(".gif"):
            with Image.open(io.BytesIO(content)) as picture:
                assert set(picture.info) == {"version", "background", "loop", "duration", "extension"}, name
        elif name.endswith((".json", ".csv")):
            assert not pattern.search(content.decode()), name
        elif name.endswith(".html"):
            assert not pattern.search(re.sub(r"[\w+/]{200,}", "", content.decode())), name  # without pictures
        else:
            assert name.endswith("-ubyte"), f"{name}: a kind of file that this test does not look into"


def last_key() -> str:
    return list(PARAMS["evaluate"])[-1]


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("evaluate", last_key(), None, rf"check: params.yaml: evaluate.{last_key()}: expected .*, found None"),
        pytest.param(
            "train_gan",
            "network",
            "perceptron",
            r"check: params.yaml: train_gan.network: expected one of .*dcgan.*, found 'perceptron'",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_bad_value_is_refused_in_one_line_and_costs_nothing(
    section: str, key: str, value: Any, message: str, project: Project, first_run: str
) -> None:
    before = project.files()
    project.set_params({section: {key: value}})
    done = project.run(sys.executable, "-m", "dvc", "repro")
    project.run_checked("git", "checkout", "--quiet", "params.yaml")
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    lines = [line for line in printed.splitlines() if line.startswith("check: ")]
    assert len(lines) == 1
    assert re.fullmatch(message, lines[0])
    assert "Traceback" not in printed
    assert set(re.findall(r"Running stage '(\w+)'", printed)) == {"check"}
    # DVC deletes the outs of the stage that it runs: that of `check`, which comes back from the cache.
    after = project.files()
    assert {name: after.get(name) for name in before if not name.startswith("data/check/")} == {
        name: content for name, content in before.items() if not name.startswith("data/check/")
    }
    assert "Running stage" not in project.dvc("repro")
    assert project.files() == before


@pytest.mark.slow
def test_another_architecture_does_not_retrain(project: Project, first_run: str) -> None:
    networks = project.root / "stages" / "gan" / "networks"
    chosen = networks / f"{PARAMS['train_gan']['network']}.py"
    other = networks / "other.py"
    shutil.copy(chosen, other)
    try:
        assert changed_stages(project) == {"check"}
        other.write_text(other.read_text(encoding="utf-8") + "# Changed.\n", encoding="utf-8")
        assert changed_stages(project) == {"check"}
        # Which writes the same file as before, so that no other stage runs.
        assert set(re.findall(r"Running stage '(\w+)'", project.dvc("repro"))) == {"check"}
    finally:
        other.unlink()
    text = chosen.read_text(encoding="utf-8")
    try:
        chosen.write_text(text + "# Changed.\n", encoding="utf-8")
        changed = changed_stages(project)
    finally:
        chosen.write_text(text, encoding="utf-8")
    builders = {stage for stage in STAGES if any("/networks/" in dep for dep in names(STAGES[stage]["deps"]))}
    assert changed == {"check"} | builders


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_after_a_full_disk_dvc_checkout_brings_back_what_was_there(project: Project, first_run: str) -> None:
    before = project.files()
    (project.root / "data" / "generate" / "samples.safetensors.partial").symlink_to("/dev/full")
    done = project.run(sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "generate")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("generate: ")]
    assert "the disk is full" in line
    assert "`dvc checkout`" in line
    assert "Traceback" not in done.stderr
    assert project.files() != before
    project.dvc("checkout")
    assert project.files() == before


@pytest.mark.slow
def test_an_experiment_is_listed_with_its_metrics(project: Project, first_run: str) -> None:
    """Leaves the workspace with the experiment's params and results."""
    before = project.files()
    printed = project.dvc("exp", "run", "--name", "with-hinge", "--set-param", "train_gan.loss=hinge")
    ran = set(re.findall(r"Running stage '(\w+)'", printed))
    assert ran == {"check"} | downstream("train_gan")
    rows = list(csv.DictReader(io.StringIO(project.run(sys.executable, "-m", "dvc", "exp", "show", "--csv").stdout)))
    by_name = {row["Experiment"] or row["rev"]: row for row in rows}
    losses = {name: row["train_gan.loss"] for name, row in by_name.items()}
    assert losses["with-hinge"] == losses["workspace"] == "hinge"
    assert PARAMS["train_gan"]["loss"] in losses.values()
    metrics = json.loads(project.files()["data/evaluate/metrics.json"])
    for name, value in metrics.items():
        assert float(by_name["with-hinge"][name]) == pytest.approx(value, rel=1e-4)
    assert metrics != json.loads(before["data/evaluate/metrics.json"])


@pytest.mark.slow
def test_going_back_to_earlier_params_runs_nothing(project: Project, first_run: str) -> None:
    """DVC's run cache brings back every file but environment.json, which tells that it is of another generator."""
    project.dvc("repro")  # for this test alone
    before, params = project.files(), read_params_file(project.root / "params.yaml")
    other: Changes = {"train_gan": {"loss": "least_squares"}, "baseline": {"seeds": [2]}}
    project.set_params(other)
    project.dvc("repro")
    differing = {name.split("/")[1] for name, content in project.files().items() if content != before[name]}
    assert differing == downstream("train_gan") | downstream("baseline")
    back = [f"--set-param={section}.{key}={params[section][key]}" for section, keys in other.items() for key in keys]
    printed = project.dvc("exp", "run", *back)
    cached = set(re.findall(r"Stage '(\w+)' is cached - skipping run", printed))
    assert "Running stage" not in printed
    assert cached == {"check"} | differing
    after = project.files()
    environment = json.loads(after.pop("data/train_gan/environment.json"))
    assert environment["generator_sha256"] != hashlib.sha256(after["data/train_gan/generator.safetensors"]).hexdigest()
    assert after == {name: before[name] for name in after}
    assert "up to date" in project.dvc("status")


@pytest.mark.slow
def test_a_generator_of_another_run_draws_without_training(project: Project, first_run: str) -> None:
    """The same file under another name gives the same samples, though that of this run is gone."""
    project.dvc("repro")  # for this test alone
    before = project.files()
    own, folder = project.root / "data" / "train_gan" / "generator.safetensors", project.root / "data/init/earlier"
    folder.mkdir()
    shutil.move(own, folder)
    project.set_params({"generate": {"generator": "init/earlier"}})
    try:
        printed = project.dvc("repro", "generate")
        after = project.files()
    finally:
        project.run_checked("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
        shutil.rmtree(folder)
        project.dvc("checkout", "--force")
    assert set(re.findall(r"Running stage '(\w+)'", printed)) == {"check", "generate"}
    assert {name: content for name, content in after.items() if name.startswith("data/generate/")} == {
        name: content for name, content in before.items() if name.startswith("data/generate/")
    }
    assert project.files() == before


USER_CONFIG = """
[core]
    autostage = true
    interactive = true
    checksum_jobs = 1
[cache]
    type = "hardlink,copy"
[exp]
    auto_push = true
[hydra]
    enabled = true
    config_dir = nowhere
[parsing]
    bool = boolean_optional
"""


@pytest.mark.slow
def test_a_user_s_configuration_of_dvc_changes_nothing(project: Project, first_run: str) -> None:
    project.dvc("repro")  # for this test alone
    before = project.files()
    config = Path(project.environment["DVC_GLOBAL_CONFIG_DIR"]) / "config"
    config.parent.mkdir(exist_ok=True)
    config.write_text(USER_CONFIG, encoding="utf-8")
    try:
        assert "up to date" in project.dvc("status")
        printed = project.dvc("exp", "run", "--set-param", "generate.seed=99", DVC_EXP_AUTO_PUSH="true")
        assert set(re.findall(r"Running stage '(\w+)'", printed)) == {"check"} | downstream("generate")
        project.dvc("exp", "run", "--set-param", f"generate.seed={PARAMS['generate']['seed']}")
    finally:
        config.unlink()
    assert project.files() == before
    assert "up to date" in project.dvc("status")


@pytest.mark.slow
def test_dvc_draws_the_plots_of_dvc_yaml_and_no_other(project: Project, first_run: str) -> None:
    for arguments in (("show",), ("diff", "HEAD")):
        done = project.run(sys.executable, "-m", "dvc", "plots", *arguments, "--json")
        printed = json.loads(done.stdout)
        assert "errors" not in printed, done.stderr
        drawn = [plot for plots in printed["data"].values() for plot in plots if plot["type"] == "vega"]
        contents = [json.loads(c) if isinstance(c := plot["content"], str) else c for plot in drawn]
        titles = [content["title"]["text"] for content in contents]
        assert sorted(titles) == sorted(plot_titles())
        assert not [plot for plot in contents if '"field": "step"' in json.dumps(plot)]


@pytest.mark.slow
def test_a_forced_repro_gives_the_same_bytes(project: Project, first_run: str) -> None:
    """Every stage runs again, in a new interpreter and with another number of processes: dvc.lock and files stay."""
    project.dvc("repro")  # for this test alone: does nothing where the ones above have run
    locked, files = project.locked_outs(), project.files()
    path = user_environment(project.root.parent)["PATH"]
    printed = project.dvc("repro", "--force", GAN_PROCESSES="2", PATH=path)
    assert set(re.findall(r"Running stage '(\w+)'", printed)) == set(STAGES)
    assert project.locked_outs() == locked
    assert {name: hashlib.sha256(content).hexdigest() for name, content in project.files().items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
