"""Git in throw-away clones follows no user's configuration; the project may be a part of a larger repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tools.repository import clone_repository, find_project, git, require_objects

ROOT = Path(__file__).parents[2]
HOSTILE = """
[clone]
	defaultRemoteName = upstream
[commit]
	gpgSign = true
[gpg]
	program = /bin/false
[core]
	autocrlf = true
	hooksPath = {folder}/hooks
[init]
	templateDir = {folder}/template
[protocol "file"]
	allow = never
[status]
	showUntrackedFiles = no
[user]
	useConfigOnly = true
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration, as ~/.gitconfig: a file that breaks clones, checkouts and commits."""
    for folder in ("hooks", "template/hooks"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("post-checkout", "pre-commit", "reference-transaction"):
            hook = tmp_path / folder / name
            hook.write_text("#!/bin/sh\necho refused >&2\nexit 1\n", encoding="utf-8")
            hook.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(HOSTILE.format(folder=tmp_path), encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    """A project in a subfolder of a repository, committed."""
    project = tmp_path / "larger" / "some where"
    project.mkdir(parents=True)
    (project / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    (project / "lines.csv").write_bytes(b"a\nb\r\n")
    git(project.parent, "init", "--quiet", throw_away=True)
    git(project, "add", "--all", throw_away=True)
    git(project, "commit", "--quiet", "--message", "All", throw_away=True)
    return project


def test_the_project_is_found_from_inside_it(larger: Path) -> None:
    (larger / "data").mkdir()
    assert find_project(larger / "data") == find_project(larger) == larger.resolve()
    with pytest.raises(UserError, match=r"is not in the project: no dvc.yaml here or above"):
        find_project(larger.parent)


def test_of_an_unpacked_archive_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(
        UserError, match=r"not a git repository.*; an unpacked archive is no repository: clone .* instead$"
    ):
        find_project(tmp_path)


@pytest.mark.usefixtures("hostile")
def test_a_clone_and_commits_in_it_follow_no_user(larger: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"fatal: .*transport 'file' not allowed"):
        git(larger, "clone", "--quiet", "--", str(larger.parent), str(tmp_path / "by the user"))
    clone = clone_repository(larger, tmp_path / "clone")
    assert clone == tmp_path / "clone" / "some where"
    git(tmp_path / "clone", "fetch", "--quiet", "origin", throw_away=True)
    git(tmp_path / "clone", "checkout", "--quiet", "--detach", "HEAD", throw_away=True)
    assert (clone / "lines.csv").read_bytes() == b"a\nb\r\n"
    (clone / "new").touch()
    git(clone, "add", "--all", throw_away=True)
    git(clone, "commit", "--quiet", "--message", "New", throw_away=True)
    assert git(clone, "log", "--format=%an", "-1", throw_away=True) == "-\n"


def test_a_partial_clone_that_lacks_files_says_how_to_get_them(larger: Path, tmp_path: Path) -> None:
    git(larger, "config", "uploadpack.allowFilter", "true", throw_away=True)
    git(larger, "config", "uploadpack.allowAnySHA1InWant", "true", throw_away=True)
    (larger / "lines.csv").write_text("newer\n", encoding="utf-8")
    git(larger, "commit", "--quiet", "--all", "--message", "Newer", throw_away=True)
    clone, source = tmp_path / "partial", larger.parent.as_uri()
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", source, str(clone), throw_away=True)
    require_objects(larger, "HEAD")  # no partial clone
    require_objects(clone, "--no-walk", "HEAD")  # what is checked out is there
    command = "git fetch --refetch --no-filter origin"
    message = rf"is a partial clone, without 1 of the files that are needed; `{command}` gets them all$"
    for revisions in (("--no-walk", "HEAD~1"), ("HEAD",)):
        with pytest.raises(UserError, match=message):
            require_objects(clone, *revisions)
    git(clone, *command.split()[1:], throw_away=True)
    require_objects(clone, "HEAD")


@pytest.mark.usefixtures("hostile")
def test_a_library_that_reads_the_user_s_configuration_commits_too(larger: Path, tmp_path: Path) -> None:
    """DVC commits experiments by dulwich, which signs what commit.gpgSign says."""
    clone_repository(larger, tmp_path / "clone")
    git(tmp_path / "clone", "checkout", "--quiet", throw_away=True)
    code = "from dulwich import porcelain; porcelain.commit('.', b'by dulwich', author=b'- <->', committer=b'- <->')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "clone",
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert git(tmp_path / "clone", "log", "--format=%s", "-1", throw_away=True) == "by dulwich\n"


def test_the_reason_is_the_line_that_says_it(larger: Path) -> None:
    """Git's last line is often advice or a name."""
    with pytest.raises(UserError) as caught:
        git(larger, "fetch", "nowhere")
    assert str(caught.value).startswith("git fetch: fatal: 'nowhere' does not appear to be a git repository")
    assert "\n" not in str(caught.value)


def test_line_ends_stay_as_committed_under_git_for_windows(tmp_path: Path) -> None:
    """The setting that its installer proposes; the file with the attributes is enough to undo it."""
    git(tmp_path, "init", "--quiet", "source", throw_away=True)
    source, clone = tmp_path / "source", tmp_path / "clone"
    contents = {
        ".gitattributes": (ROOT / ".gitattributes").read_bytes(),
        "lf.csv": b"a\nb\n",
        "crlf.txt": b"a\r\nb\r\n",
    }
    for name, content in contents.items():
        (source / name).write_bytes(content)
    windows = ("-c", "core.autocrlf=true", "-c", "core.safecrlf=true")
    git(source, *windows, "add", "--all", throw_away=True)
    git(source, *windows, "commit", "--quiet", "--message", "All", throw_away=True)
    git(tmp_path, *windows, "clone", "--quiet", "--config", "core.autocrlf=true", "source", "clone", throw_away=True)
    assert {name: (clone / name).read_bytes() for name in contents} == contents
    assert git(clone, "status", "--porcelain", throw_away=True) == ""


def run_main(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = [sys.executable, "-m", "tools.repository"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_folder_without_git_is_told_what_to_do(tmp_path: Path) -> None:
    """As after `git archive`."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").touch()
    done = run_main(tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "not a git repository" in line
    assert "`dvc config core.no_scm true`" in line
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    assert run_main(tmp_path).returncode == 0


def test_what_else_git_says_of_a_folder_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a project of another owner: DVC needs the repository that is there."""
    (tmp_path / "git").write_text(
        "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at '$PWD'\" >&2\nexit 128\n",
        encoding="utf-8",
    )
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    done = run_main(tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "dubious ownership" in line
    assert "no_scm" not in line
