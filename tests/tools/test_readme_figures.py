"""The figures of the README come from a run that has them all."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.common.errors import UserError
from stages.common.params import read_params_file
from tools.judge import comparable_params
from tools.readme import BEGIN, END, figures, written

ROOT = Path(__file__).parents[2]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    for name in (
        "data/evaluate/details.json",
        "data/usefulness/details.json",
        "data/two_sample/details.json",
        "tools/spread.json",
        "params.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@contextmanager
def changed_details(finished: Path, stage: str) -> Iterator[dict[str, Any]]:
    """The details of a stage of the finished run, written again after the block has changed them."""
    path = finished / "data" / stage / "details.json"
    details = json.loads(path.read_text(encoding="utf-8"))
    yield details
    path.write_text(json.dumps(details), encoding="utf-8")


@pytest.mark.parametrize(
    ("stage", "keys"),
    [
        ("evaluate", ("metrics", "coverage", "ratio_interval")),
        ("evaluate", ("metrics", "fd_classifier", "floor")),
        ("usefulness", ("metrics", "cas", "ratio_interval")),
    ],
)
def test_a_run_without_a_figure_is_refused_in_one_line(stage: str, keys: tuple[str, ...], finished: Path) -> None:
    """As after a tiny run: too few images for an interval."""
    assert "coverage" in figures(finished)
    with changed_details(finished, stage) as details:
        entry = details
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] = None
    with pytest.raises(UserError, match=rf"^the run in data/ has no [\w.]+\.{re.escape(keys[-1])}: .*params$"):
        figures(finished)


def test_every_interval_encloses_its_ratio(finished: Path) -> None:
    """As written: with two digits, 0.999 was said to lie between 1.00 and 1.00."""
    written_ones = re.findall(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)", figures(finished))
    assert len(written_ones) == 10
    for ratio, low, high in written_ones:
        assert float(low) <= float(ratio) <= float(high)


def test_all_of_the_classes_that_are_recognised_least_are_named(finished: Path) -> None:
    with changed_details(finished, "evaluate") as details:
        accuracies = dict(zip("0123456789", [0.98] + 9 * [0.99], strict=True))
        for each in details["classes"]:
            each["metrics"]["gan_test_accuracy"]["value"] = accuracies[each["class"]]
    assert "of the classes, 0 is recognised least, 98.0 %." in figures(finished)
    with changed_details(finished, "evaluate") as details:
        for each in details["classes"][1:3]:
            each["metrics"]["gan_test_accuracy"]["value"] = 0.98
    assert "of the classes, 0, 1 and 2 are recognised least, 98.0 %." in figures(finished)


def test_a_damaged_mark_is_refused_and_nothing_after_it_is_lost(finished: Path) -> None:
    text = f"before\n{BEGIN}old\n{END}after\n"
    assert written(text, finished) == f"before\n{BEGIN}{figures(finished)}{END}after\n"
    for damaged in (text.replace(END, "<!-- /figure -->\n"), text.replace(BEGIN, "")):
        with pytest.raises(UserError, match=r"^README\.md: expected the marks"):
            written(damaged, finished)


def test_a_run_of_one_seed_is_refused_in_one_line(finished: Path) -> None:
    with changed_details(finished, "usefulness") as details:
        samples = details["samples"]
        samples |= {"mean": samples["values"][0], "standard_deviation": None}
        samples |= {key: samples[key][:1] for key in ("values", "wrong")}
    with pytest.raises(UserError, match=r"^the run in data/ has no cas\.samples\.standard_deviation: .*params$"):
        figures(finished)


def test_figures_that_contradict_each_other_are_refused_by_key(finished: Path) -> None:
    with changed_details(finished, "usefulness") as details:
        details["samples"]["standard_deviation"] = None
    with pytest.raises(UserError, match=r"details\.json: samples: expected a standard_deviation of several values"):
        figures(finished)


def test_a_spread_of_other_params_is_not_shown(finished: Path) -> None:
    path = finished / "tools/spread.json"
    spread = json.loads(path.read_text(encoding="utf-8"))
    spread["params"] = comparable_params(read_params_file(finished / "params.yaml"))
    path.write_text(json.dumps(spread), encoding="utf-8")
    assert "seeds of classifier and GAN" in figures(finished)
    spread["params"]["train_gan"]["total_kimg"] += 1
    path.write_text(json.dumps(spread), encoding="utf-8")
    assert "seeds of classifier and GAN" not in figures(finished)
