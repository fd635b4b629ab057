"""What Python has compiled is never older than the module that a stage is said to have run."""

import hashlib
import os
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

from stages.common.code_at_start import CODE, FOLDER, forget_older_compilation

SECOND = 1_700_000_000 * 10**9


def run(module: Path) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", f"import {module.stem}; print({module.stem}.RATE)"]
    done = subprocess.run(command, cwd=module.parent, env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_an_edit_in_the_same_second_that_keeps_the_length_is_run(tmp_path: Path) -> None:
    module = tmp_path / "rates.py"
    module.write_text("RATE = 0.1\n", encoding="utf-8")
    os.utime(module, ns=(SECOND, SECOND))
    assert run(module) == "0.1"
    os.utime(cache_from_source(str(module)), ns=(SECOND, SECOND + 10**7))
    module.write_text("RATE = 0.2\n", encoding="utf-8")
    os.utime(module, ns=(SECOND, SECOND + 10**8))
    assert run(module) == "0.1"  # Python alone takes what it has compiled
    forget_older_compilation(module)
    assert run(module) == "0.2"


def test_a_compilation_that_is_newer_stays(tmp_path: Path) -> None:
    module = tmp_path / "rates.py"
    module.write_text("RATE = 0.1\n", encoding="utf-8")
    os.utime(module, ns=(SECOND, SECOND))
    run(module)
    forget_older_compilation(module)
    assert Path(cache_from_source(str(module))).exists()
    forget_older_compilation(tmp_path / "none.py")


def test_all_modules_of_the_project_are_known() -> None:
    assert CODE.keys() == {path.relative_to(FOLDER.parent).as_posix() for path in FOLDER.rglob("*.py")}
    path = FOLDER / "common" / "unchanged.py"
    assert CODE["stages/common/unchanged.py"] == hashlib.sha256(path.read_bytes()).hexdigest()
