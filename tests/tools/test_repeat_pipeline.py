"""`make seeds` and `make spread` for real, with a few seeds of a tiny profile: their figures are those of the runs."""

import json
import re
import sys
from pathlib import Path

import pytest

from tools.clone import Clone, tiny_clone
from tools.judge import SECTIONS
from tools.profiles import PIPELINE
from tools.tables import cells


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The project with a tiny profile, committed, of which nothing was run yet."""
    return tiny_clone(tmp_path_factory.mktemp("repeat"), PIPELINE)


def rows_of(table: str) -> dict[str, list[str]]:
    """The cells of a table by the names of its metrics."""
    return {line[0]: line[1:] for line in cells(table) if line[0] != "metric" and not line[0].startswith("-")}


@pytest.mark.slow
def test_two_seeds_of_two_settings_are_compared(tiny: Clone) -> None:
    """The second setting draws only threes, from the same generators."""
    before = tiny.run_checked("git", "status", "--porcelain")
    printed = tiny.run_checked(sys.executable, "-m", "tools.seeds", "--seeds", "2", "generate.classes=[3]")
    tables = printed[printed.index("\n2 seeds of the committed setting") :]
    titles = ("the committed setting", r"generate\.classes=\[3\]", "\ncomparison\n")
    first, second, both = (rows_of(part) for part in re.split("|".join(titles), tables)[1:])
    assert first.keys() == second.keys() == both.keys() >= {"fd_classifier", "coverage", "class_imbalance"}
    assert float(first["fd_classifier"][1]) > 0  # another seed is another GAN
    assert both["fd_classifier"][:2] == [first["fd_classifier"][0], second["fd_classifier"][0]]
    assert {cells[-1] for cells in both.values()} <= {"differs", "within the spread"}
    assert first["fd_classifier"][0] != second["fd_classifier"][0]
    assert tiny.run_checked("git", "status", "--porcelain") == before


@pytest.mark.slow
def test_spread_is_written_for_the_committed_params(tiny: Clone) -> None:
    printed = tiny.run_checked(sys.executable, "-m", "tools.spread", "--seeds", "3")
    path = tiny.root / "tools" / "spread.json"
    spread = json.loads(path.read_text(encoding="utf-8"))
    tiny.run_checked("git", "checkout", "--quiet", str(path.relative_to(tiny.root)))
    assert re.search(r"^spread: the intervals of \d+ metrics reach \d+\.\d standard deviations", printed, re.MULTILINE)
    assert spread["seeds"] == [1, 2, 3]
    assert set(spread["params"]) == set(SECTIONS)
    assert "seed" not in spread["params"]["train_gan"]
    assert spread["params"]["generate"]["num_images"] == PIPELINE["generate"]["num_images"]
    assert spread["environment"]["versions"]["torch"]
    for name, metric in spread["metrics"].items():
        assert len(metric["values"]) == 3, name
        assert metric["low"] <= min(metric["values"]) <= max(metric["values"]) <= metric["high"], name
    assert len(set(spread["metrics"]["fd_classifier"]["values"])) == 3


@pytest.mark.parametrize(("tool", "least"), [("seeds", 2), ("spread", 3)])
def test_one_seed_has_no_spread(tool: str, least: int) -> None:
    here = Clone(Path(__file__).parents[2], {})
    done = here.run(sys.executable, "-m", f"tools.{tool}", "--seeds", "1")
    assert (done.returncode, done.stderr) == (1, f"{tool}: expected at least {least} seeds, found 1\n")


@pytest.mark.slow
def test_a_setting_that_fails_is_named_by_its_seed(tiny: Clone) -> None:
    done = tiny.run(sys.executable, "-m", "tools.seeds", "--seeds", "2", "train_gan.batch_size=101")
    assert done.returncode == 1
    assert "expected batch_size to be a multiple of shards" in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith("seeds: seed 1: the run failed")
