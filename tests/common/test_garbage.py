"""What stages load is looked through for garbage neither while they load nor at their end; what they make, as usual."""

import os
import subprocess
import sys

from tests.stage_process import ROOT

CODE = """
import atexit, gc
usual = gc.get_threshold()
atexit.register(lambda: print(gc.get_freeze_count() - frozen > 1000))
import stages.generate
collections = gc.get_stats()[2]["collections"]
from stages.common.runtime import make_deterministic
make_deterministic()
frozen = gc.get_freeze_count()
print(collections, gc.get_threshold() == usual, frozen > 100_000)
made = [[] for _ in range(2000)]
"""


def test_only_what_a_stage_makes_is_looked_through() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True, check=True
    )
    collections, usual, loaded_is_kept, kept_at_the_end = done.stdout.split()
    assert int(collections) <= 2
    assert (usual, loaded_is_kept, kept_at_the_end) == ("True", "True", "True")
