"""What hosts, editors and containers read of the project: in step with the project, and understood."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from tests.reporting.browser import NAMES
from tools.repository import clone_repository, git

ROOT = Path(__file__).parents[1]
PYTHONS = SpecifierSet(
    tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
)
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent))
TARGETS = set(re.findall(r"^([a-z.][\w./-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def read_yaml(path: str) -> Any:
    return YAML(typ="safe").load((ROOT / path).read_text(encoding="utf-8"))


# --- container ---


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in DOCKERFILE.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_container_has_a_python_that_the_project_supports() -> None:
    (image,) = [value for name, value in instructions() if name == "FROM"]
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+", image)
    assert version
    assert PYTHONS.contains(version[1])


def test_the_container_runs_the_pipeline_as_an_ordinary_user() -> None:
    users = [value for name, value in instructions() if name == "USER"]
    assert users
    assert users[-1] not in ("root", "0")
    assert instructions()[-1] == ("CMD", '["make", "repro"]')
    after = [name for name, _ in instructions()]
    assert after.index("USER") < after.index("COPY")


def test_what_the_container_copies_and_makes_exists() -> None:
    for name, value in instructions():
        if name == "COPY":
            *sources, _ = [word for word in value.split() if not word.startswith("--")]
            assert all((ROOT / source).exists() for source in sources)
    made = [word for name, value in instructions() if name == "RUN" for word in re.findall(r"make (\S+)$", value)]
    assert made == [".venv/locked"]
    (run,) = [value for name, value in instructions() if name == "RUN" and "make" in value.split()[-2:]]
    assert run.startswith("PIP_NO_CACHE_DIR=1 ")  # tools/install.py passes it on
    assert set(made) <= TARGETS


def test_the_container_gets_the_repository_and_no_environment() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"data/generate/shards", ".venv", ".dvc/cache", ".dvc/config.local", ".checkpoints"} <= set(lines)
    assert not {".git", "data", "dvc.lock", "*"} & set(lines)


@pytest.mark.skipif(HADOLINT is None, reason="NOT RUN: hadolint is not installed")
def test_the_dockerfile_is_clean(tmp_path: Path) -> None:
    assert HADOLINT is not None
    assert subprocess.run([HADOLINT, ROOT / "Dockerfile"], check=False).returncode == 0
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp && sudo make\n", encoding="utf-8")
    assert subprocess.run([HADOLINT, tmp_path / "Dockerfile"], capture_output=True, check=False).returncode != 0


def test_the_development_container_sets_up_what_tests_need() -> None:
    content = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    version = re.search(r"python:(3\.\d+)", content["image"])
    assert version
    assert PYTHONS.contains(version[1])
    *before, (program, *made) = [command.split() for command in content["postCreateCommand"].split(" && ")]
    assert program == "make"
    assert set(made) <= TARGETS
    # `make test-all` fails without a browser.
    (installed,) = [command for command in before if "install" in command]
    assert set(installed) & set(NAMES)


# --- hosts ---


@pytest.mark.parametrize("name", ["bug", "idea"])
def test_an_issue_template_is_a_form(name: str) -> None:
    content = read_yaml(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= content.keys()
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    for field in fields:
        assert field["type"] in ("input", "textarea", "dropdown", "checkboxes")
        assert field["attributes"]["label"]


def test_the_pull_request_template_names_what_exists() -> None:
    text = (ROOT / ".github/pull_request_template.md").read_text(encoding="utf-8")
    named = re.findall(r"make ([a-z-]+)", text)
    assert named
    assert set(named) <= TARGETS


def test_updates_are_proposed_for_what_is_there() -> None:
    content = read_yaml(".github/dependabot.yml")
    assert content["version"] == 2
    assert {update["package-ecosystem"] for update in content["updates"]} == {"pip", "github-actions", "docker"}
    assert all(update["directory"] == "/" for update in content["updates"])


# --- pre-commit ---


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the working tree's configuration and this environment as its .venv."""
    root = clone_repository(ROOT, tmp_path / "clone")
    git(tmp_path / "clone", "checkout", "--quiet", throw_away=True)
    for name in (".pre-commit-config.yaml", "Dockerfile", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / ".venv").symlink_to(sys.prefix)
    git(root, "add", "--all", throw_away=True)
    return root


def checked(clone: Path, hook: str, *files: str) -> subprocess.CompletedProcess[str]:
    """What pre-commit says of files, without a network and with its own folder beside the clone."""
    command = [sys.executable, "-m", "pre_commit", "run", hook, "--files", *files]
    own = {"PRE_COMMIT_HOME": str(clone.parent / "own"), "PATH": "/usr/bin:/bin", "HOME": str(clone.parent)}
    return subprocess.run(command, cwd=clone, env=own, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="the hooks name .venv/bin")
def test_hooks_pass_what_is_good_and_stop_what_is_not(clone: Path) -> None:
    good, bad = "tools/tiny.py", "tools/bad.py"
    (clone / bad).write_text("import os\nx = {  'a':1 }\n", encoding="utf-8")
    git(clone, "add", "--all", throw_away=True)
    for hook in ("ruff", "ruff-format"):
        assert checked(clone, hook, good).returncode == 0, checked(clone, hook, good).stdout
        assert checked(clone, hook, bad).returncode == 1
    if HADOLINT:
        assert checked(clone, "dockerfile", "Dockerfile").returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the hooks name .venv/bin")
def test_the_hook_writes_missing_code_dependencies(clone: Path) -> None:
    """And stops the commit, so that they go into it."""
    assert checked(clone, "deps", "stages/generate.py").returncode == 0
    text = (clone / "dvc.yaml").read_text(encoding="utf-8")
    (clone / "dvc.yaml").write_text(text.replace("      - stages/gan/sampler.py\n", ""), encoding="utf-8")
    git(clone, "add", "--all", throw_away=True)
    assert checked(clone, "deps", "dvc.yaml").returncode == 1
    assert (clone / "dvc.yaml").read_text(encoding="utf-8") == text
