"""The proof itself, with real git and DVC, on a toy pipeline that takes a moment."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from stages.common.errors import UserError
from tests.wheels import FAKE_DVC, wheel
from tools.clone import Clone, user_environment
from tools.fresh import find_commit, initial_names
from tools.locked import FOLDER

ROOT = Path(__file__).parents[2]
DVC_YAML = """
stages:
  train_gan:
    cmd: python toy.py
    params: [train_gan]
    deps: [toy.py]
    outs:
      - data/train_gan/generator.safetensors
      - data/train_gan/samples
    metrics:
      - data/evaluate/details.json: {cache: false}
"""
TOY = """
import json, os, pathlib, time
if "TOY_SLEEP" in os.environ:
    pathlib.Path(os.environ["TOY_SLEEP"]).write_text(str(os.getpid()))
    time.sleep(100)
if "TOY_FAIL" in os.environ:
    raise SystemExit("toy: out of luck")
seed = pathlib.Path("params.yaml").read_text().split("seed: ")[1].strip()
noise = os.environ.get("TOY_NOISE", "")
folder = pathlib.Path("data/train_gan")
(folder / "samples").mkdir(parents=True)
pathlib.Path("data/evaluate").mkdir(exist_ok=True)
(folder / "generator.safetensors").write_text(seed + noise)
(folder / "samples" / "final.png").write_text("picture")
environment = {"device": os.environ.get("TOY_DEVICE", "cpu"), "generator_sha256": seed + noise}
(folder / "environment.json").write_text(json.dumps(environment))
value = float(os.environ.get("TOY_VALUE", "2.0"))
entry = {"value": value, "floor": 1.0, "floor_standard_error": None, "ratio": value}
pathlib.Path("data/evaluate/details.json").write_text(json.dumps({"metrics": {"fd_classifier": entry}}))
"""
SPREAD = {
    "seeds": [1, 2, 3, 4, 5],
    "params": {name: {} for name in ("download", "normalize", "train_classifier", "train_gan", "generate", "evaluate")},
    "metrics": {"fd_classifier": {"by": "ratio", "mean": 2.2, "low": 1.5, "high": 2.9}},
}


@dataclass(frozen=True)
class Project(Clone):
    """A git repository, the environment to run commands in, and the folder for temporary files."""

    temporary: Path

    def commit(self) -> None:
        self.run_checked("git", "add", "--all")
        self.run_checked("git", "commit", "--quiet", "--message", "Results")

    def verify(self, *revision: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = self.run(sys.executable, "-m", "tools.verify", *revision, **variables)
        assert list(self.temporary.iterdir()) == []
        return done


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]


@pytest.fixture(scope="session")
def finished_toy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A toy project that has run, its results committed; to be copied."""
    folder = tmp_path_factory.mktemp("toy")
    made = toy_in(folder)
    for name, content in (("dvc.yaml", DVC_YAML), ("toy.py", TOY), ("params.yaml", "train_gan:\n  seed: 1\n")):
        (made.root / name).write_text(content, encoding="utf-8")
    (made.root / "tools").mkdir()
    (made.root / "tools" / "spread.json").write_text(json.dumps(SPREAD), encoding="utf-8")
    shutil.copytree(ROOT / ".dvc", made.root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    made.run_checked("git", "init", "--quiet", "--initial-branch=main")
    made.run_checked("git", "config", "user.name", "Test")
    made.run_checked("git", "config", "user.email", "test@example.org")
    made.commit()
    made.dvc("repro")
    made.commit()
    return made


@pytest.fixture
def toy(finished_toy: Project, tmp_path: Path) -> Project:
    shutil.copytree(finished_toy.root, tmp_path / "project", symlinks=True)
    return toy_in(tmp_path)


def toy_in(folder: Path) -> Project:
    root, temporary = folder / "project", folder / "temporary"
    root.mkdir(exist_ok=True)
    temporary.mkdir()
    environment = user_environment(folder) | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    return Project(root, environment, temporary)


def test_a_run_that_gives_the_same_bytes_passes(toy: Project) -> None:
    done = toy.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 3 outs have the bytes that dvc.lock records" in last_line(done)
    assert "warning" not in done.stderr
    assert toy.run_checked("git", "status", "--porcelain") == ""


def test_only_what_is_committed_is_verified(toy: Project) -> None:
    (toy.root / "toy.py").write_text("raise SystemExit(1)", encoding="utf-8")
    done = toy.verify()
    assert done.returncode == 0
    assert "not committed" in done.stderr


def test_other_bytes_fail(toy: Project) -> None:
    done = toy.verify(TOY_NOISE="!")
    assert done.returncode == 1
    assert "FAILED: the same environment gave other bytes: 1 of 3 outs differ" in last_line(done)
    (line,) = [line for line in done.stdout.splitlines() if "generator.safetensors" in line]
    assert "| different |" in line


def test_an_altered_lock_fails(toy: Project) -> None:
    lock = toy.root / "dvc.lock"
    text = lock.read_text(encoding="utf-8")
    md5 = text.split("path: data/train_gan/samples")[1].split("md5: ")[1].split()[0]
    lock.write_text(text.replace(md5, f"{'0' * 32}.dir"), encoding="utf-8")
    toy.commit()
    done = toy.verify()
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("|") and "different" in line]
    assert "samples" in line


@pytest.mark.parametrize(("value", "code"), [("2.8", 0), ("3.0", 1)])
def test_another_environment_is_judged_by_its_metrics(value: str, code: int, toy: Project) -> None:
    done = toy.verify(TOY_DEVICE="cuda", TOY_NOISE="!", TOY_VALUE=value)
    assert done.returncode == code, done.stdout + done.stderr
    assert "another environment" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("| device")]
    assert line.split() == ["|", "device", "|", "cpu", "|", "cuda", "|", "different", "|"]
    assert ("passed" if code == 0 else "FAILED") in last_line(done)


@pytest.mark.slow
def test_an_experiment_is_verified_by_its_name(toy: Project) -> None:
    toy.dvc("exp", "run", "--name", "tuned", "--set-param", "train_gan.seed=7")
    toy.run_checked("git", "checkout", "--quiet", ".")
    done = toy.verify("tuned")
    assert done.returncode == 0, done.stdout + done.stderr
    commit = find_commit(toy.root, "tuned")
    assert commit != find_commit(toy.root, "HEAD")
    assert "seed: 7" in toy.run_checked("git", "show", f"{commit}:params.yaml")
    assert toy.verify("tuned", TOY_NOISE="!").returncode == 1


def test_a_user_s_git_configuration_is_no_matter(toy: Project, tmp_path: Path) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text(
        '[clone]\n defaultRemoteName = upstream\n[core]\n autocrlf = true\n[protocol "file"]\n allow = never\n',
        encoding="utf-8",
    )
    done = toy.verify(GIT_CONFIG_GLOBAL=str(settings))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_project_in_a_larger_repository_is_verified_there(toy: Project, tmp_path: Path) -> None:
    larger = tmp_path / "larger"
    shutil.copytree(toy.root, larger / "project", symlinks=True, ignore=shutil.ignore_patterns(".git"))
    part = Project(larger / "project", toy.environment, toy.temporary)
    part.run_checked("git", "init", "--quiet", str(larger))
    part.commit()
    (larger / "beside").touch()
    done = part.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 3 outs have the bytes" in last_line(done)
    assert "warning" not in done.stderr


@pytest.mark.slow
def test_a_commit_runs_with_the_packages_that_it_locks(toy: Project, tmp_path: Path) -> None:
    lock = toy.root / "requirements.txt"
    lock.write_text(wheel(tmp_path, "dvc", FAKE_DVC), encoding="utf-8")
    (toy.root / ".gitignore").write_text(f"{FOLDER}/\n", encoding="utf-8")
    toy.commit()
    lock.write_text("today==1.0\n", encoding="utf-8")
    toy.commit()
    pip = {"PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1"}
    done = toy.verify("HEAD~1", **pip)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"locked dvc of {toy.root / FOLDER}" in done.stdout
    for options in (("HEAD",), ("--packages", "current", "HEAD~1")):
        done = toy.verify(*options, **pip)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "locked dvc of" not in done.stdout


@pytest.fixture
def started(toy: Project) -> Project:
    """The toy project with a training that starts from nets, `earlier`, of which `dvc add` left the hash in Git."""
    folder = toy.root / "data" / "init" / "earlier"
    folder.mkdir(parents=True)
    (folder / "generator.safetensors").write_text("weights", encoding="utf-8")
    toy.dvc("add", "--quiet", "data/init/earlier")
    dvc_yaml = toy.root / "dvc.yaml"
    text = dvc_yaml.read_text(encoding="utf-8").replace("[toy.py]", "[toy.py, 'data/init/${train_gan.init_from}']")
    dvc_yaml.write_text(text, encoding="utf-8")
    (toy.root / "params.yaml").write_text("train_gan:\n  init_from: earlier\n  seed: 1\n", encoding="utf-8")
    toy.dvc("repro", "--quiet")
    toy.commit()
    return toy


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"train_gan": {"init_from": "none"}, "generate": {"generator": "train_gan"}}, ["none"]),
        (
            {"generate": {"generator": "init/b"}, "inspect": {"nets": "init/a"}, "train_gan": {"init_from": "b"}},
            ["a", "b"],
        ),
        ({"generate": {}, "inspect": None}, []),
    ],
)
def test_every_folder_of_nets_that_params_name_comes_along(params: dict[str, Any], expected: list[str]) -> None:
    assert initial_names(params) == expected


@pytest.mark.slow
def test_nets_to_start_from_come_from_the_cache_of_the_project(started: Project) -> None:
    assert "data/init/earlier/" not in started.run_checked("git", "ls-files")
    done = started.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 3 outs have the bytes" in last_line(done)


@pytest.mark.slow
def test_nets_to_start_from_that_are_nowhere_are_told_in_one_line(started: Project) -> None:
    shutil.rmtree(started.root / ".dvc" / "cache")
    done = started.verify()
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("verify: the files of data/init/earlier are not in this project's cache: `dvc fetch ")
    started.run_checked("git", "rm", "--quiet", "--cached", "data/init/earlier.dvc")
    started.run_checked("git", "commit", "--quiet", "--message", "Without the hash")
    done = started.verify()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("verify: data/init/earlier is not committed: `dvc add` it")


def test_a_name_of_two_experiments_is_refused(toy: Project) -> None:
    head = find_commit(toy.root, "HEAD")
    older = find_commit(toy.root, "HEAD~1")
    for base, target in ((head, head), (older, older)):
        toy.run_checked("git", "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/twice", target)
    with pytest.raises(UserError, match="twice names 2 experiments"):
        find_commit(toy.root, "twice")


@pytest.mark.parametrize("revision", ["nowhere", "--all", ""])
def test_an_unknown_revision_is_refused_in_one_line(revision: str, toy: Project) -> None:
    with pytest.raises(UserError, match="neither a commit nor an experiment"):
        find_commit(toy.root, revision)


def test_what_cannot_be_verified_is_told_in_one_line(toy: Project, tmp_path: Path) -> None:
    toy.run_checked("git", "rm", "--quiet", "--cached", "dvc.lock")
    toy.run_checked("git", "commit", "--quiet", "--message", "Without a lock")
    done = toy.verify()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("verify: dvc.lock is not committed")
    (tmp_path / "elsewhere").mkdir()
    nowhere = toy_in(tmp_path / "elsewhere")
    done = nowhere.verify(GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("verify: git ")
    assert "not a git repository" in line


def test_a_stage_that_fails_fails_the_proof(toy: Project) -> None:
    done = toy.verify(TOY_FAIL="1")
    assert done.returncode == 1
    assert "toy: out of luck" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("verify: the run in the clone failed")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_a_signal_ends_the_run_and_deletes_the_clone(name: str, toy: Project, tmp_path: Path) -> None:
    number = signal.Signals[name]
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip(f"{name} is ignored here, as under nohup, and so it is by what is started")
    marker = tmp_path / "running"
    command = [sys.executable, "-m", "tools.verify"]
    with subprocess.Popen(
        command, cwd=toy.root, env=toy.environment | {"TOY_SLEEP": str(marker)}, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not marker.exists() or not marker.read_text(encoding="ascii"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert list(toy.temporary.iterdir()) == []
    assert not psutil.pid_exists(int(marker.read_text(encoding="ascii")))
