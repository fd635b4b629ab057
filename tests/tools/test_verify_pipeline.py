"""The proof of the real pipeline on a tiny profile: of the committed run, and of experiments by their names."""

import re
import sys
import time
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.clone import Clone, tiny_clone
from tools.fresh import find_commit
from tools.profiles import PIPELINE


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The project with a tiny profile, run once, its results committed."""
    made = tiny_clone(tmp_path_factory.mktemp("tiny"), PIPELINE)
    made.run_checked("git", "config", "user.name", "Test")
    made.run_checked("git", "config", "user.email", "test@example.org")
    made.dvc("repro")
    made.run_checked("git", "add", "--all")
    made.run_checked("git", "commit", "--quiet", "--message", "Results")
    return made


@pytest.mark.slow
def test_the_pipeline_is_reproduced(tiny: Clone) -> None:
    """With another number of processes than the committed run may have had."""
    printed = tiny.run_checked(sys.executable, "-m", "tools.verify", GAN_PROCESSES="2")
    assert "in the same environment" in printed.splitlines()[-1]
    assert "| different |" not in printed


@pytest.mark.slow
@pytest.mark.parametrize("how", ["workspace", "queue"])
def test_an_experiment_is_reproduced(how: str, tiny: Clone, tmp_path: Path) -> None:
    """From its name to the proof; that of the queue also by way of a branch to a clone that gives the same bytes."""
    name = f"as-{how}"
    options = ["--queue"] if how == "queue" else []
    tiny.dvc("exp", "run", *options, "--name", name, "--set-param", f"train_gan.seed={len(how)}")
    if how == "queue":
        tiny.dvc("queue", "start")
        wait_for_experiment(tiny, name)
    tiny.run_checked("git", "checkout", "--quiet", ".")
    printed = tiny.run_checked(sys.executable, "-m", "tools.verify", name)
    assert "in the same environment" in printed.splitlines()[-1]
    if how == "queue":
        tiny.dvc("exp", "branch", name, "tuned")
        other = tmp_path / "other"
        tiny.run_checked("git", "clone", "--quiet", "--branch", "tuned", str(tiny.root), str(other))
        locked = (other / "dvc.lock").read_text(encoding="utf-8")
        Clone(other, tiny.environment).dvc("repro", "--force")
        assert (other / "dvc.lock").read_text(encoding="utf-8") == locked


@pytest.mark.slow
def test_a_clone_without_cache_skips_only_what_stands_in_git_and_matches_the_lock(tiny: Clone, tmp_path: Path) -> None:
    """Plain `dvc repro`: a stage is skipped if Git has all its outs, and run if one of them is not what it was."""
    root = tmp_path / "other"
    tiny.run_checked("git", "clone", "--quiet", str(tiny.root), str(root))
    track = root / "data" / "track" / "track.csv"
    committed = track.read_bytes()
    track.write_bytes(committed + b"0,0,0,0\n")
    clone = Clone(root, tiny.environment)
    printed = clone.dvc("repro")
    assert set(re.findall(r"Stage '(\w+)' didn't change, skipping", printed)) == {"baseline", "usefulness"}
    assert len(re.findall(r"Running stage '(\w+)'", printed)) == 8
    assert track.read_bytes() == committed
    assert (root / "data" / "check" / "ok.json").is_file()
    assert clone.run_checked("git", "status", "--porcelain") == ""


def wait_for_experiment(clone: Clone, name: str) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            find_commit(clone.root, name)
        except UserError:
            time.sleep(1)
        else:
            return
    pytest.fail(clone.dvc("queue", "status"))
