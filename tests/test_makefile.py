"""The Makefile: recipes that every make runs alike, and none of the user's settings in what they start."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
RECIPES = re.findall(r"^\t[@-]?(.+)$", TEXT, re.MULTILINE)
VARIABLES = dict(re.findall(r"^([A-Z]+) \??= (.+)$", TEXT, re.MULTILINE))


def program(recipe: str) -> str:
    """The first word of a recipe, with the Makefile's own variables filled in."""
    word = recipe.split(maxsplit=1)[0]
    while match := re.match(r"\$\(([A-Z]+)\)", word):
        word = (VARIABLES[match[1]] + word[match.end() :]).split()[0]
    return word


def test_every_recipe_names_its_program_by_path() -> None:
    """Make 3.81 starts a line without shell characters by the PATH it was started with, not by the one it exports."""
    assert len(RECIPES) > 20
    elsewhere = {program(recipe) for recipe in RECIPES if not program(recipe).startswith(".venv/bin/")}
    assert elsewhere == {"if", "touch"}
    (recipe,) = [recipe for recipe in RECIPES if program(recipe) == "if"]
    assert '"$(PYTHON)" -m tools.venv .venv' in recipe


def test_make_381_knows_every_feature_that_is_used() -> None:
    """It has no .ONESHELL, != or undefine (3.82, 4.0), and no ::= (4.0)."""
    assert not re.findall(r"\.ONESHELL|!=|::=|^undefine|\$\(file ", TEXT, re.MULTILINE)


def environment_of_a_recipe(variables: dict[str, str], user: int | None = None) -> dict[str, str]:
    command = ["make", "--no-print-directory", "--file", str(ROOT / "Makefile"), "--eval", "show: ; @env", "show"]
    environment = {"PATH": os.environ["PATH"]} | variables
    # Not in the project: another user may not read it.
    text = "" if user is None else (ROOT / "Makefile").read_text(encoding="utf-8")
    if user is not None:
        command[3] = "-"
    done = subprocess.run(
        command, cwd="/", env=environment, input=text, user=user, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _has_eval() -> bool:
    make = shutil.which("make")
    return (
        make is not None
        and b"GNU Make 4" in subprocess.run([make, "--version"], capture_output=True, check=True).stdout
    )


needs_make = pytest.mark.skipif(not _has_eval(), reason="make is not installed, or too old for --eval")


@needs_make
def test_recipes_get_the_environment_s_python_and_no_setting_of_the_user() -> None:
    names = (
        "PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONOPTIMIZE PYTHONSTARTUP PYTHONWARNINGS PYTEST_ADDOPTS MYPYPATH "
        "UV_INDEX UV_EXCLUDE_NEWER UV_RESOLUTION BASH_ENV PYTHONDONTWRITEBYTECODE"
    )
    seen = environment_of_a_recipe(dict.fromkeys(names.split(), "1") | {"HTTPS_PROXY": "kept"})
    assert not seen.keys() & set(names.split())
    assert seen["HTTPS_PROXY"] == "kept"
    assert re.match(r"/+\.venv/bin:", seen["PATH"])


@needs_make
def test_stages_are_started_by_a_shell_that_takes_commands() -> None:
    """DVC starts them with the program that SHELL names; an account of a service may have none."""
    assert environment_of_a_recipe({"SHELL": "/usr/sbin/nologin"})["SHELL"] == "/bin/sh"


@needs_make
@pytest.mark.parametrize("python", ["some where/python", "python --option"], ids=["path with a space", "with options"])
def test_python_is_a_path_or_a_command(python: str, tmp_path: Path) -> None:
    """The environment is made by that Python, here a stand-in that says how it was called."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "requirements.txt").touch()
    program = tmp_path / (python if "/" in python else "python")
    program.parent.mkdir(exist_ok=True)
    program.write_text('#!/bin/sh\necho "called with $*"\nexit 1\n', encoding="utf-8")
    program.chmod(0o755)
    command = ["make", "--silent", ".venv/locked", f"PYTHON={tmp_path}/{python}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    options = python.partition(" --")[1] + python.partition(" --")[2]
    assert done.stdout == f"called with {options.strip()} -m tools.venv .venv\n".replace("with  ", "with ")


@needs_make
@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="only root can take another user's id")
def test_a_user_id_without_a_name_gets_one() -> None:
    assert "LOGNAME" not in environment_of_a_recipe({})
    assert environment_of_a_recipe({}, user=54321)["LOGNAME"] == "user54321"


@needs_make
def test_what_targets_take_is_given_on_the_command_line_alone() -> None:
    """Clusters have a SCRATCH, and CI systems a REV or PROFILE, that mean something else."""
    arguments = re.search(r"^ARGUMENTS = (.*)$", TEXT, re.MULTILINE)
    assert arguments
    names, own = arguments[1].split(), {"BIN", "COMPILE", "PARALLEL", "PYTEST", "PYTHON"}
    assert set(re.findall(r"\$\(([A-Z_]+)\)", "\n".join(RECIPES))) <= {*names, *own}
    make = ["make", "--no-print-directory", "--dry-run", "--file", str(ROOT / "Makefile"), "torture", "verify", "wide"]
    environment = {"PATH": os.environ["PATH"]} | dict.fromkeys(names, "12345")
    shown = [
        subprocess.run([*make, *given], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        for given in ([], ["SEED=12345"])
    ]
    assert [text.count("12345") for text in shown] == [0, 1]
