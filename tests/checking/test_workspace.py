"""What DVC would lose is refused before it runs: outs behind links, experiments of a shallow clone."""

import subprocess
from pathlib import Path

import pytest

from stages import check
from stages.checking.workspace import links_out, shallow_history, workspace_problems
from stages.common.errors import UserError
from stages.common.params import PARAMS_FILE


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    return tmp_path / "project"


@pytest.mark.parametrize("folder", ["data", "data/train_gan"])
def test_a_folder_on_another_disk_is_refused(folder: str, project: Path) -> None:
    if folder == "data":
        (project / "data").rmdir()
    (project / folder).symlink_to(project.parent / "disk")
    (line,) = links_out(project / "data")
    assert line.startswith(f"{project / folder} links to {project.parent / 'disk'}, where DVC keeps no outs")
    assert "`dvc config --local cache.type symlink`" in line


def test_folders_links_inside_the_project_and_the_cache_s_own_links_pass(project: Path) -> None:
    (project / "elsewhere").mkdir()
    (project / "data" / "check").symlink_to(project / "elsewhere")
    (project / "data" / "train_gan").mkdir()
    (project / "data" / "train_gan" / "generator.safetensors").symlink_to(project.parent / "disk" / "cached")
    assert list(links_out(project / "data")) == []


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def test_a_shallow_clone_is_refused_in_dvc_s_copy_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init", "--quiet")
    for message in ("one", "two"):
        identity = ("-c", "user.name=-", "-c", "user.email=-", "-c", "commit.gpgSign=false")
        git(project, *identity, "commit", "--quiet", "--allow-empty", "--message", message)
    clone = project.parent / "clone"
    git(project, "clone", "--quiet", "--depth", "1", project.as_uri(), str(clone))
    copy = clone / ".dvc" / "tmp" / "exps" / "standalone" / "copy"
    (copy / "data").mkdir(parents=True)
    (line,) = shallow_history(clone)
    assert "`git fetch --unshallow`" in line
    monkeypatch.setenv("DVC_ROOT", str(clone))
    assert list(workspace_problems(clone / "data")) == []
    assert list(workspace_problems(copy / "data")) == [line]
    git(clone, "fetch", "--quiet", "--unshallow")
    assert list(workspace_problems(copy / "data")) == []


def test_line_ends_that_git_changed_in_dvc_s_copy_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("PATH", "")
    copy = project / ".dvc" / "tmp" / "exps" / "copy"
    (copy / "data").mkdir(parents=True)
    for content, refused in ((b"* text=auto eol=lf\n", False), (b"* text=auto eol=lf\r\n", True)):
        (copy / ".gitattributes").write_bytes(content)
        lines = list(workspace_problems(copy / "data"))
        assert [line.startswith("Git's core.autocrlf is true") for line in lines] == [True] * refused
    (project / ".gitattributes").write_bytes(b"* text=auto eol=lf\r\n")
    assert list(workspace_problems(project / "data")) == []  # no experiment: DVC's outs are as they should be


def test_without_git_nothing_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert list(shallow_history(project)) == []


def test_the_stage_check_refuses_a_link(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    (project / "data" / "train_gan").symlink_to(project.parent / "disk")
    for name in ("stages", "params.yaml", "requirements.txt"):
        (project / name).symlink_to(root / name)
    monkeypatch.chdir(project)
    with pytest.raises(UserError, match=r"^data/train_gan links to .*$"):
        check.run(PARAMS_FILE, check.LOCK, Path("data"))
    assert not (project / "data" / "check").exists()
