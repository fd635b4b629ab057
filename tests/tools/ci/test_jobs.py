"""The targets that jobs run, as a container runs them: a shallow clone, no branch, no terminal, no name, another HOME.

The project there has this project's Makefile and tools, and two stages of one line each.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tools.ci.pipeline import command
from tools.clone import tiny_clone, user_environment
from tools.profiles import PIPELINE
from tools.repository import git
from tools.tiny import PAGE

ROOT = Path(__file__).parents[3]
Make = Callable[..., subprocess.CompletedProcess[str]]
DVC_YAML = """\
stages:
  draw:
    cmd: python write.py data/generate/samples.safetensors ${seed}
    params: [seed]
    deps: [write.py]
    outs: [data/generate/samples.safetensors]
  evaluate:
    cmd: python write.py data/evaluate.json $(cat data/generate/samples.safetensors)
    deps: [write.py, data/generate/samples.safetensors]
    metrics:
      - data/evaluate.json: {cache: false}
"""
SETTINGS = "<!-- tiny -->\n```console\n$ dvc exp run --temp -S seed=7\n```\n<!-- /tiny -->\n"
WRITE = """\
import sys
from pathlib import Path

path, value = sys.argv[1:]
Path(path).parent.mkdir(parents=True, exist_ok=True)
Path(path).write_text(f'{{"figure": {value}}}' if path.endswith("json") else value)
"""
pytestmark = [
    pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed"),
    pytest.mark.skipif(os.name == "nt", reason="the Makefile's paths are those of Unix"),
]


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all", "--", ".", ":!.venv", throw_away=True)
    git(folder, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", message, throw_away=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two commits, whose lock is in step, with the results of its stages beside it."""
    folder = tmp_path_factory.mktemp("ci") / "project"
    for name in ("stages", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", ".gitignore", ".dvcignore", ".dvc/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("data", "docs"):
        (folder / name).mkdir()
    for name, text in {
        "dvc.yaml": DVC_YAML,
        "params.yaml": "seed: 1\n",
        "write.py": WRITE,
        PAGE: SETTINGS,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init", "-q", "-b", "main", throw_away=True)
    commit(folder, "Code")
    subprocess.run(["dvc", "repro", "-q"], cwd=folder, env=user_environment(folder.parent), check=True)
    commit(folder, "Results")
    return folder


def shallow(project: Path, folder: Path) -> Path:
    """A clone of its last commit alone, on no branch."""
    git(folder.parent, "clone", "-q", "--depth", "1", f"file://{project}", str(folder), throw_away=True)
    git(folder, "checkout", "-q", "--detach", throw_away=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Path:
    return shallow(project, tmp_path / "clone")


def run_make(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a target there, with the environment that is installed already."""
    home = clone.with_name("home")
    home.mkdir(exist_ok=True)
    kept = {"PATH": os.environ["PATH"], "CI": "true", "HOME": str(home)} | variables
    line = ["make", "--silent", "--old-file", ".venv/locked", *arguments]
    return subprocess.run(
        line, cwd=clone, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


@pytest.fixture
def make(clone: Path) -> Make:
    return partial(run_make, clone)


needs_environment = pytest.mark.skipif(not (ROOT / ".venv/bin/python").exists(), reason="make lays .venv")


@pytest.mark.slow
@needs_environment
def test_a_clone_without_results_is_in_step_until_something_changes(clone: Path, make: Make) -> None:
    assert not (clone / "data/generate/samples.safetensors").exists()
    done = make("ci-gate")
    assert (done.returncode, done.stdout) == (0, "dvc.lock is in step with code, params and the results in Git\n")
    (clone / "params.yaml").write_text("seed: 2\n", encoding="utf-8")
    (clone / "data/evaluate.json").write_text('{"figure": 3}', encoding="utf-8")
    done = make("ci-gate")
    assert done.returncode
    assert "dvc.lock is not in step in 3 places" in done.stderr
    assert "draw: params.yaml: seed modified" in done.stderr
    assert "draw: changed command" in done.stderr
    assert "evaluate: data/evaluate.json: modified" in done.stderr


@needs_environment
@pytest.mark.slow
def test_a_job_runs_the_tiny_profile_and_sums_it_up(clone: Path, make: Make) -> None:
    done = make("ci-pipeline")
    assert done.returncode == 0, done.stderr
    assert "a second dvc repro ran nothing" in done.stdout
    assert (clone / "data/generate/samples.safetensors").read_text(encoding="utf-8") == "7"
    summary = make("ci-summary", "BASE=origin/other")
    assert summary.returncode == 0, summary.stderr
    assert "`origin/other` is not in this clone" in summary.stdout
    assert re.search(r"^\| data/evaluate.json *\| 7 ", summary.stdout, re.MULTILINE)
    assert re.search(r"^\| params.yaml *\| seed *\| 1 *\| 7 ", summary.stdout, re.MULTILINE)


@pytest.mark.slow
@needs_environment
def test_the_summary_compares_with_the_base(clone: Path, project: Path, make: Make) -> None:
    (clone / "params.yaml").write_text("seed: 2\n", encoding="utf-8")
    (clone / "data/evaluate.json").write_text('{"figure": 2}', encoding="utf-8")
    commit(clone, "Another seed")
    summary = make("ci-summary", "BASE=HEAD^")
    assert summary.returncode == 0, summary.stderr
    assert re.search(r"^\| params.yaml *\| seed *\| 1 *\| 2 ", summary.stdout, re.MULTILINE)
    assert re.search(r"^\| data/evaluate.json *\| figure *\| 1 *\| 2 *\| 1 ", summary.stdout, re.MULTILINE)


@pytest.mark.slow
@needs_environment
def test_a_run_that_never_settles_fails_the_job(clone: Path, make: Make) -> None:
    """A stage that reads what it writes elsewhere: DVC would run it again and again."""
    text = (clone / "dvc.yaml").read_text(encoding="utf-8").replace("  draw:\n", "  draw:\n    always_changed: true\n")
    (clone / "dvc.yaml").write_text(text, encoding="utf-8")
    done = make("ci-pipeline", "PROFILE=full")
    assert done.returncode
    assert "draw: always changed" in done.stderr


@pytest.mark.slow
@needs_environment
def test_a_job_runs_this_project_s_own_pipeline(tmp_path: Path) -> None:
    """All of it on the tests' digits; the lock that it writes passes the gate of a clone that has nothing else."""
    made = tiny_clone(tmp_path, PIPELINE)
    made.run_checked("git", "branch", "--force", "here")
    made.run_checked("git", "checkout", "--quiet", "here")
    first = shallow(made.root, tmp_path / "first")
    source = str(made.root / "tests" / "digits")
    done = run_make(first, "ci-pipeline", "PROFILE=full", GAN_DATA_SOURCE=source)
    assert done.returncode == 0, done.stderr
    assert "In the pipeline's own words: *" in run_make(first, "ci-summary").stdout
    commit(first, "Results")
    second = shallow(first, tmp_path / "second")
    assert run_make(second, "ci-gate").returncode == 0


def test_the_tiny_profile_runs_in_the_workspace() -> None:
    words = command("tiny", (ROOT / PAGE).read_text(encoding="utf-8"))
    assert words[:2] == ["exp", "run"]
    assert "--temp" not in words
    assert "train_gan.shards=2" in words
    assert command("full", "") == ["repro"]
