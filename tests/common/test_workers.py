"""Work shared by real processes: results in order, errors as they are, nobody left behind."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from stages.common import workers
from stages.common.errors import UserError
from stages.common.workers import in_order, processes_for
from tests.squares import Squares
from tests.stage_process import ROOT, wait_until


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    results = list(in_order(Squares(), [*range(13), *range(14, 40)], count))
    assert [result for result, _ in results] == [number**2 for number in range(40) if number != 13]
    helped = {process for _, process in results}
    assert (helped == {os.getpid()}) if count == 1 else (1 < len(helped) <= count and os.getpid() not in helped)


def test_an_error_of_one_item_ends_the_work_as_it_is_and_all_processes() -> None:
    before = set(psutil.Process().children())
    with pytest.raises(UserError, match=r"^found 13$"):
        list(in_order(Squares(), range(40), 2))
    assert not [child for child in set(psutil.Process().children()) - before if "spawn_main(" in str(child.cmdline())]


def test_a_process_that_is_ended_from_outside_is_said_to_be() -> None:
    with closing(in_order(Squares(), range(14, 400), 2)) as results:
        _, helper = next(results)
        os.kill(helper, signal.SIGKILL)
        with pytest.raises(UserError, match="a process that shared the work was ended from outside"):
            list(results)


@pytest.mark.parametrize(
    ("cores", "variable", "items", "expected"),
    [(8, "", 50, 1), (8, "", 149, 2), (8, "", 10_000, 8), (8, "3", 10_000, 3), (1, "3", 10_000, 3), (1, "", 10_000, 1)],
)
def test_as_many_processes_as_have_enough_to_do(
    cores: int, variable: str, items: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "available_cores", lambda: cores)
    monkeypatch.setenv("GAN_PROCESSES", variable)
    assert processes_for(range(items)) == expected


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.squares import Squares
from stages.common.runtime import report_errors
from stages.common.workers import in_order
if __name__ == "__main__":
    with report_errors("squares"):
        for result, process in in_order(Squares(), range(14, 10**9), 2):
            print(process, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups and no SIGKILL")
@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), pytest.param("SIGTERM", -15, marks=pytest.mark.slow), ("SIGKILL", -9)]
)
def test_nobody_outlives_the_one_that_asked_for_the_work(name: str, code: int, tmp_path: Path) -> None:
    """SIGINT reaches all processes of a terminal, as here; the others only the first one."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(program), str(ROOT)], stdout=-1, stderr=-1, text=True, start_new_session=True
    ) as asked:
        assert asked.stdout
        helpers = {psutil.Process(int(asked.stdout.readline())) for _ in range(20)}
        (os.killpg if name == "SIGINT" else os.kill)(asked.pid, signal.Signals[name])
        _, err = asked.communicate(timeout=60)
    assert asked.returncode == code
    assert "Traceback" not in err
    if name == "SIGINT":
        assert err.startswith("squares: interrupted")
    wait_until(lambda: not any(helper.is_running() for helper in helpers), patience_s=30)
