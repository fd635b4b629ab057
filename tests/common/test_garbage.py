"""What a stage loads is looked through for garbage neither while it loads nor at its end; what it makes, as usual."""

import subprocess
import sys

import pytest

from tests.stage_process import ROOT

OF_A_STAGE = """
import atexit, gc, sys
usual = gc.get_threshold()
sys.orig_argv = ["python", "-E", "-m", "stages.generate"]
atexit.register(lambda: print(gc.get_freeze_count() - frozen > 1000))
import stages.generate
print(gc.get_stats()[2]["collections"] <= 2)
from stages.common.runtime import make_deterministic
make_deterministic()
frozen = gc.get_freeze_count()
print(gc.get_threshold() == usual, frozen > 100_000)
made = [[] for _ in range(2000)]
"""
OF_ANOTHER = """
import gc, sys
before = gc.get_threshold(), gc.get_freeze_count()
sys.orig_argv = ["python", *{arguments}]
import stages
from stages.common import garbage
garbage.as_usual()
print((gc.get_threshold(), gc.get_freeze_count()) == before)
"""


def printed(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_only_what_a_stage_makes_is_looked_through() -> None:
    assert printed(OF_A_STAGE) == ["True"] * 4


@pytest.mark.parametrize("arguments", [[], ["program.py"], ["-m", "tools.gans"]])
def test_a_program_that_imports_stages_has_garbage_of_its_own(arguments: list[str]) -> None:
    assert printed(OF_ANOTHER.format(arguments=arguments)) == ["True"]
