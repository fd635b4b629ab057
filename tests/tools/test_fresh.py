"""Signals that end a tool, and what it says of changes that no clone has."""

import signal
from pathlib import Path

import pytest
from dvc.repo import Repo

from tools.fresh import REMOTE, interruptible, name_remote, warn_if_not_committed
from tools.repeat import clone_of_head
from tools.repository import git

HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)  # Windows has none
needs_hangup = pytest.mark.skipif(HANGUP == signal.SIGTERM, reason="no such signal here")


def stopped(number: int, cleaned: list[str]) -> None:
    with interruptible():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            cleaned.append("up")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(HANGUP, marks=needs_hangup)])
def test_a_signal_ends_the_block_and_a_second_one_not_its_end(number: int) -> None:
    heard: list[int] = []
    cleaned: list[str] = []
    before = signal.signal(number, lambda number, _: heard.append(number))
    try:
        with pytest.raises(SystemExit) as ended:
            stopped(number, cleaned)
        signal.raise_signal(number)  # goes where it went before
    finally:
        signal.signal(number, before)
    assert ended.value.code == 128 + number
    assert cleaned == ["up"]
    assert heard == [number]


@needs_hangup
def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    before = signal.signal(HANGUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(HANGUP)
        assert signal.getsignal(HANGUP) == signal.SIG_IGN
    finally:
        signal.signal(HANGUP, before)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("params.yaml", "stages/code.py", "docs/gans.md", "recipes/hinge.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a: 1\n")
    git(root, "init", "-q", throw_away=True)
    commit(root)
    return root


def commit(project: Path) -> str:
    git(project, "add", "-A", throw_away=True)
    git(project, "-c", "user.name=-", "-c", "user.email=-", "commit", "-qm", "-", throw_away=True)
    return git(project, "rev-parse", "HEAD").strip()


def test_a_clone_of_head_says_that_it_leaves_changes_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with clone_of_head(project):
        assert capsys.readouterr().err == ""
    (project / "params.yaml").write_text("a: 2\n")
    with clone_of_head(project) as clone:
        assert (clone / "params.yaml").read_text() == "a: 1\n"
    assert capsys.readouterr().err == "warning: some changes are not committed; what is committed is run\n"


@pytest.mark.parametrize(
    ("name", "warns"), [("stages/new.py", True), ("docs/gans.md", False), ("recipes/new.txt", False)]
)
def test_pages_and_recipes_are_no_part_of_a_run(
    name: str, warns: bool, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = git(project, "rev-parse", "HEAD").strip()
    (project / name).write_text("a: 2\n")
    warn_if_not_committed(project, earlier)
    assert bool(capsys.readouterr().err) == warns
    (project / "params.yaml").write_text("a: 3\n")
    commit(project)
    (project / "params.yaml").write_text("a: 4\n")
    warn_if_not_committed(project, earlier)  # another commit is asked for: nobody expects these changes there
    assert capsys.readouterr().err == ""


def test_dvc_finds_a_cache_whose_path_is_not_ascii(tmp_path: Path) -> None:
    clone, cache = tmp_path / "clone", str(tmp_path / "josé, # 'größe'")
    clone.mkdir()
    Repo.init(str(clone), no_scm=True).close()
    name_remote(clone, str(tmp_path))
    name_remote(clone, cache)
    with Repo(str(clone)) as repo:
        assert repo.config["remote"][REMOTE]["url"] == cache
