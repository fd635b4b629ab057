"""`make verify REV=...` runs with the packages that the commit locks: built once, here from a local wheel."""

import os
import sys
from pathlib import Path

import pytest

from stages.common.errors import UserError
from tests.wheels import FAKE_DVC, wheel
from tools import locked


@pytest.fixture
def offline_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip finds, and settings of a user that would put packages elsewhere."""
    wheels, settings = tmp_path / "wheels", tmp_path / "pip.conf"
    wheels.mkdir()
    settings.write_text("[install]\nuser = true\nno-deps = true\n", encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "FIND_LINKS": wheels,
        "NO_INDEX": "1",
        "USER": "1",
        "TARGET": tmp_path / "elsewhere",
        "CONFIG_FILE": settings,
    }.items():
        monkeypatch.setenv(f"PIP_{name}", str(value))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    return wheels


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Path, Path]:
    """The project, with a lock, and a clone of another commit of it, without one."""
    root, clone = tmp_path / "project", tmp_path / "clone"
    root.mkdir()
    clone.mkdir()
    (root / "requirements.txt").write_text("today==1.0\n", encoding="utf-8")
    return root, clone


@pytest.mark.slow
def test_another_lock_gets_its_own_environment_once(
    projects: tuple[Path, Path], offline_pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, clone = projects
    (clone / "requirements.txt").write_text(wheel(offline_pip, "dvc", FAKE_DVC), encoding="utf-8")
    python = locked.locked_python(root, clone)
    assert python.parents[2] == root / locked.FOLDER
    assert list((python.parents[1] / "lib").glob("python*/site-packages/dvc/__main__.py"))
    monkeypatch.setattr(locked, "_build", lambda *_: pytest.fail("built again"))
    assert locked.locked_python(root, clone) == python
    (python.parents[1] / locked.COMPLETE).unlink()
    with pytest.raises(pytest.fail.Exception, match="built again"):
        locked.locked_python(root, clone)


def test_the_same_lock_and_none_use_this_environment(projects: tuple[Path, Path]) -> None:
    root, clone = projects
    assert locked.locked_python(root, clone) == Path(sys.executable)
    (clone / "requirements.txt").write_text("today==1.0\n", encoding="utf-8")
    assert locked.locked_python(root, clone) == Path(sys.executable)
    assert not (root / locked.FOLDER).exists()


@pytest.mark.slow
def test_packages_that_cannot_be_had_are_one_line_and_leave_nothing(
    projects: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, clone = projects
    (clone / "requirements.txt").write_text("never==1.0 --hash=sha256:00\n", encoding="utf-8")
    monkeypatch.setattr(locked, "install", lambda *_: 1)
    with pytest.raises(UserError, match=r"cannot be installed here .* `make verify PACKAGES=current`") as caught:
        locked.locked_python(root, clone)
    assert "\n" not in str(caught.value)
    assert [path for path in (root / locked.FOLDER).iterdir() if path.is_dir()] == []
