"""What a stage loads is looked through for garbage neither while it loads nor at its end; what it makes, as usual."""

import subprocess
import sys

import pytest

from tests.stage_process import ROOT

CODE = """
import atexit, gc, sys
usual = gc.get_threshold()
sys.orig_argv = ["python", *{arguments}]
atexit.register(lambda: print(gc.get_freeze_count() - frozen > 1000))
import stages.generate
collections = gc.get_stats()[2]["collections"]
from stages.common.runtime import make_deterministic
make_deterministic()
frozen = gc.get_freeze_count()
print(collections <= 2, gc.get_threshold() == usual, frozen > 100_000)
made = [[] for _ in range(2000)]
"""


@pytest.mark.parametrize(
    ("arguments", "spared"), [(["-E", "-m", "stages.generate"], True), (["-m", "tools.gans"], False), ([], False)]
)
def test_only_what_a_stage_makes_is_looked_through(arguments: list[str], spared: bool) -> None:
    """A program that imports the project's modules has garbage of its own."""
    code = CODE.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    few_collections, usual, loaded_is_kept, kept_at_the_end = done.stdout.split()
    assert usual == "True"
    assert few_collections == loaded_is_kept == kept_at_the_end == str(spared)
