"""The commands of README and docs, run word by word in a clone on a tiny profile, in the order in which they stand.

What takes hours, or installs packages, other tests run; ELSEWHERE says which.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import PAGES, ROOT
from tools.clone import Clone, tiny_clone
from tools.profiles import PIPELINE, combined

WALKED = ("README.md", "docs/experiments.md")
ELSEWHERE = {
    "make try": "tests/test_readme.py",
    "make repro": "tests/test_pipeline.py",
    "make test": "tests/test_makefile.py",
    "make test-fast": "tests/test_makefile.py",
    "make format": "tests/test_makefile.py",
    "make deps": "tests/tools/test_deps.py",
    "make ci-": "tests/tools/ci/test_jobs.py",
    "python3 -m venv": "tests/tools/test_locked.py",
    "pip install --require-hashes": "tests/test_lock.py",
    "dvc repro": "tests/test_pipeline.py",
    "ruff check": "tests/test_makefile.py",
    "dvc exp run --temp -S normalize.limit=10000": "tests/test_readme.py",
    # Builds that are on no public registry.
    "uv ": "docs/settings.md",
    "make gpu": "tests/tools/gpu",
    ".venv/bin/python -m tools.gpu": "tests/tools/gpu",
    "make export": "tests/tools/export",
    "make report": "tests/test_report.py",
    "dvc remote add": "tests/test_sharing.py",
    "git commit -m": "tests/test_sharing.py",
    "dvc push --run-cache": "tests/test_sharing.py",
    "git tag": "tests/test_sharing.py",
    "git push origin generator": "docs/sharing.md",
    "dvc artifacts get": "tests/test_sharing.py",
    "dvc get": "tests/test_sharing.py",
    # It needs a Docker daemon, which no test has.
    "docker ": "docs/sharing.md",
}
QUICK = {"total_kimg": "0.8", "ema_halflife_kimg": "0.1", "snapshot_kimg": "0.4"}
"""In the place of what the recipe `fast` sets."""


def console_lines(page: Path) -> list[str]:
    """The lines of console blocks that begin with a prompt, whole, without comments."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [re.sub(r"\s{2,}# .*$", "", line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


def is_elsewhere(line: str) -> bool:
    return line.startswith(tuple(ELSEWHERE))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_of_a_block_is_run_by_some_test(page: Path) -> None:
    if page.relative_to(ROOT).as_posix() not in WALKED:
        assert [line for line in console_lines(page) if not (is_elsewhere(line) or line.startswith(". "))] == []


def test_the_tests_that_run_the_others_exist() -> None:
    assert [path for path in ELSEWHERE.values() if not (ROOT / path).exists()] == []


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A finished run on the branch main, and a generator of another run to draw from."""
    folder = tmp_path_factory.mktemp("walk")
    made = tiny_clone(folder, combined(PIPELINE, {"generate": {"num_images": 250}}))
    made.run_checked("git", "config", "user.name", "Walker")
    made.run_checked("git", "config", "user.email", "walker@example.org")
    recipe = made.root / "recipes" / "fast.txt"
    text = recipe.read_text(encoding="utf-8")
    for key, value in QUICK.items():
        text = re.sub(rf"(train_gan\.{key}=)\S+", rf"\g<1>{value}", text)
    recipe.write_text(text, encoding="utf-8")
    made.run_checked("git", "checkout", "--quiet", "-B", "main")
    (made.root / ".venv").symlink_to(ROOT / ".venv")
    made.dvc("repro")
    mine = made.root / "data" / "init" / "mine"
    mine.mkdir()
    for name in ("generator", "discriminator"):
        shutil.copy(made.root / "data" / "train_gan" / f"{name}.safetensors", mine)
    made.dvc("add", "data/init/mine")
    made.run_checked("git", "add", "--all", "--", ":!.venv")
    made.run_checked("git", "commit", "--quiet", "--message", "Run")
    yield made
    shutil.rmtree(folder, ignore_errors=True)


def runnable(line: str) -> str:
    """With the environment that is there already, in place of one that make or verify would install."""
    line = re.sub(r"^make ", "make --old-file .venv/locked ", line)
    return line + " PACKAGES=current" if " verify " in line else line


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt" or not (ROOT / ".venv/bin/python").exists(), reason="make lays .venv")
@pytest.mark.parametrize("page", WALKED)
def test_a_walk_through_the_page(page: str, clone: Clone) -> None:
    lines = [line for line in console_lines(ROOT / page) if not is_elsewhere(line)]
    assert len(lines) > 5
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", runnable(line)],
            cwd=clone.root,
            env=clone.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert clone.run_checked("git", "status", "--porcelain", "--", "params.yaml", "dvc.lock") == ""


@pytest.mark.slow
def test_the_generator_is_used_as_the_questions_show(clone: Clone) -> None:
    code = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/faq.md").read_text(encoding="utf-8"), re.M | re.S)[0]
    clone.run_checked(sys.executable, "-c", f"{code}assert images.shape == (10, 1, 28, 28) and images.abs().max() <= 1")
