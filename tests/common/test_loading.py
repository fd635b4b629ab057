"""A package that cannot be loaded is one line; a mistake in the project's own modules keeps its traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stages/__init__.py is the real module's part on loading, and a package that fails."""
    common = tmp_path / "stages" / "common"
    common.mkdir(parents=True)
    (common / "loading.py").write_bytes((ROOT / "stages" / "common" / "loading.py").read_bytes())
    init = "from stages.common.loading import explain_failing_imports\nexplain_failing_imports()\n"
    (tmp_path / "stages" / "__init__.py").write_text(init, encoding="utf-8")
    return tmp_path


def run(project: Path, stage: str, package: str = "", code: int = 1) -> list[str]:
    """The lines on stderr of that stage, beside a package of that code, which it may import."""
    (project / "package.py").write_text(package, encoding="utf-8")
    (project / "stages" / "work.py").write_text(stage, encoding="utf-8")
    command = [sys.executable, "-m", "stages.work"]
    done = subprocess.run(command, cwd=project, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == code
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (
            "raise ImportError('libx.so: failed to map segment from shared object')",
            "segment from shared object; memory",
        ),
        ("import nonexistent_library", "(nonexistent_library): No module named 'nonexistent_library'"),
        ("raise OSError('libcudart.so.13: cannot open shared object file')", ": libcudart.so.13: cannot open"),
        ("raise ImportError('DLL load failed')", "DLL load failed"),
        ("raise RuntimeError('CPU lacks AVX2\\nsecond line')", ": CPU lacks AVX2; `make repro`"),
        ("1 / 0", ": division by zero; `make repro`"),
    ],
)
def test_a_package_that_fails_to_load(package: str, reason: str, project: Path) -> None:
    (line,) = run(project, "import package", package)
    assert line.startswith("work: a package cannot be loaded")
    assert reason in line
    assert line.endswith(("; `make repro` installs the locked packages in .venv", "(`ulimit -v`), is too little"))


@pytest.mark.skipif(os.name != "posix", reason="how a process ends of a signal")
def test_an_interrupt_while_a_package_loads(project: Path) -> None:
    assert run(project, "import package", "raise KeyboardInterrupt", code=-signal.SIGINT) == ["work: interrupted"]


@pytest.mark.parametrize(
    ("stage", "package", "last"),
    [
        ("1 / 0", "", "ZeroDivisionError: division by zero"),
        ("import stages.nonexistent", "", "ModuleNotFoundError: No module named 'stages.nonexistent'"),
        ("def main():\n    package.fail()\nimport package\nmain()", "def fail(): 1 / 0", "ZeroDivisionError: "),
    ],
)
def test_a_mistake_of_the_project_keeps_its_traceback(stage: str, package: str, last: str, project: Path) -> None:
    lines = run(project, stage, package)
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith(last)
