"""The virtual environment is made by a Python that the project runs with, and holds no link to another one."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools import venv

ROOT = Path(__file__).parents[2]


def test_the_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (least_major, least), (most_major, most) = venv.LEAST, venv.MOST
    assert project["requires-python"] == f">={least_major}.{least},<{most_major}.{most + 1}"


@pytest.mark.parametrize("version", [(3, 7, 3), (3, 9, 2), (3, 10, 12), (3, 14, 0), (2, 7, 18), (4, 0, 0)])
def test_another_python_is_refused_in_one_line(version: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    found = ".".join(map(str, version))
    message = rf"^venv: expected Python 3\.11 to 3\.13, found {found} \(.*\); name .*`make PYTHON=python3\.12 try`$"
    with pytest.raises(SystemExit, match=message):
        venv.require_supported("venv")


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 9), (3, 13, 1)])
def test_a_supported_python_is_not(version: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    venv.require_supported("venv")


@pytest.mark.parametrize("name", ["venv.py", "install.py"])
def test_an_old_python_gets_as_far_as_the_check(name: str) -> None:
    """It reads the whole module first; annotations, which may be newer, are not evaluated."""
    text = (ROOT / "tools" / name).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 7))
    assert "\nfrom __future__ import annotations\n" in text


def environment_of(folder: Path, says: str | None) -> Path:
    """A folder whose bin/python is a program that prints this, or a link to one that is gone."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    if says is None:
        python.symlink_to(folder / "gone")
    else:
        python.write_text(f"#!/bin/sh\necho {says}\n", encoding="utf-8")
        python.chmod(0o755)
    return folder / ".venv"


@pytest.mark.skipif(sys.platform == "win32", reason="make is not there on Windows")
@pytest.mark.parametrize("says", [None, "3 10", "2 7"])
def test_the_environment_of_another_python_is_cleared(says: str | None, tmp_path: Path) -> None:
    folder = environment_of(tmp_path, says)
    assert venv.command(folder) == [sys.executable, "-m", "venv", "--clear", str(folder)]


@pytest.mark.skipif(sys.platform == "win32", reason="make is not there on Windows")
def test_the_environment_of_this_python_stays(tmp_path: Path) -> None:
    assert "--clear" not in venv.command(tmp_path / ".venv")
    same = f"{sys.version_info[0]} {sys.version_info[1]}"
    assert "--clear" not in venv.command(environment_of(tmp_path, same))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="make is not there on Windows")
def test_a_left_over_link_is_replaced_for_real(tmp_path: Path) -> None:
    folder = environment_of(tmp_path, None)
    subprocess.run([sys.executable, "-m", "tools.venv", str(folder)], cwd=ROOT, check=True)
    shown = subprocess.run([folder / "bin" / "python", "-c", venv.SHOW], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [str(number) for number in sys.version_info[:2]]
