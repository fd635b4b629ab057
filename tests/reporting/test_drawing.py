"""Charts, ratios, frames and confusions against what they are made from."""

import io
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stages.common.grids import grid
from stages.evaluation.animation import Frame, animation
from stages.evaluation.beside_floor import BesideFloor
from stages.reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Chart, Series
from stages.reporting.comparison import differences, judgement, pairs
from stages.reporting.confusion import SHADES, confusion
from stages.reporting.figures import Figure, Measured, number, place
from stages.reporting.frames import frames_of
from stages.reporting.measured import read_measured
from stages.reporting.page import verdict
from stages.reporting.run import NUMBERS
from stages.reporting.training import CURVES
from tests.reporting.finished import ROOT

# --- charts ---


def path_of(chart: Chart, style: str) -> list[tuple[str, float, float]]:
    """The commands of a curve's path."""
    found = re.search(rf'class="line {style}" d="([^"]*)"', chart.svg())
    assert found
    return [(kind, float(x), float(y)) for kind, x, y in re.findall(r"([ML])([\d.-]+) ([\d.-]+)", found[1])]


def test_a_curve_goes_from_corner_to_corner() -> None:
    chart = Chart("Growth", [0, 5, 10], [Series("it", "real", [1, 2, 3])])
    middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    assert path_of(chart, "real") == [
        ("M", LEFT, HEIGHT - BOTTOM),
        ("L", *middle),
        ("L", WIDTH - RIGHT, TOP),
    ]


def test_a_curve_is_broken_where_there_is_no_value() -> None:
    chart = Chart("Gap", [0, 1, 2, 3], [Series("it", "real", [1, math.nan, 2, 3])])
    assert [kind for kind, _, _ in path_of(chart, "real")] == ["M", "M", "L"]
    assert "nan" not in chart.svg()


def test_equal_factors_are_equal_distances_on_a_logarithmic_axis() -> None:
    axis = Axis(1, 100, 0, 200, is_log=True)
    assert [axis.place(value) for value in (1, 10, 100)] == [0, 100, 200]


@pytest.mark.parametrize(
    ("low", "high", "is_log"), [(0, 1, False), (-3.2, 7.1, False), (0.03, 41, True), (2, 2.3, True)]
)
def test_ticks_are_few_round_and_within_the_axis(low: float, high: float, is_log: bool) -> None:
    ticks = Axis(low, high, 0, 1, is_log).ticks
    assert 2 <= len(ticks) <= 8
    assert low <= min(ticks) < max(ticks) <= high
    assert all(len(f"{tick:g}".replace("-", "").replace(".", "").strip("0")) <= 3 for tick in ticks)


@pytest.mark.parametrize("values", [[], [math.nan] * 2, [5.0, 5.0], [0.0, 0.0]])
def test_a_chart_of_nothing_or_of_a_constant_is_drawn(values: list[float]) -> None:
    chart = Chart("Flat", [0, 1], [Series("it", "real", values)] if values else [], is_log=True)
    assert chart.svg().startswith("<svg")


def test_a_chart_says_in_words_what_it_shows_and_escapes_names() -> None:
    svg = Chart("Losses", [0, 1], [Series('<"it">', "real", [2, 0.5])], level=("floor", 0.25)).svg()
    assert 'aria-label="Losses: &lt;&#34;it&#34;&gt; from 2 to 0.5; floor 0.25"' in svg


def test_a_logarithmic_axis_is_named_where_there_is_one() -> None:
    chart = Chart("Norms", [0, 1], [Series("it", "real", [2, 0.5])], is_log=True)
    assert chart.in_words() == "Norms, on a logarithmic axis: it from 2 to 0.5"
    without = Chart("Norms", [0, 1], [Series("it", "real", [2, 0])], is_log=True)
    assert not without.is_drawn_by_logarithm
    assert "logarithmic" not in without.in_words()


# --- the verdict ---


def test_nothing_good_and_nothing_bad_are_notes() -> None:
    line = "good: nothing; not good: distance 9.10 times the floor; weakest class: 5 (2 % recognised)"
    assert [kind for kind, _ in verdict(line)] == ["note", "bad", "note"]
    assert [kind for kind, _ in verdict("good: classes even; not good: nothing")] == ["good", "note"]


# --- ratios ---


def figure(ratio: float | None, interval: list[float | None] | None, name: str = "fd_classifier") -> Figure:
    entry = BesideFloor(
        value=1.0,
        standard_error=None,
        floor=1.0,
        floor_standard_error=None,
        ratio=ratio,
        ratio_interval=interval,
        undefined={"ratio": "no ratio"},
    )
    return Figure(name, "a distance", entry)


def test_the_floor_is_in_the_middle_and_half_as_far_as_twice() -> None:
    places = [float(place(ratio, 1).rstrip("%")) for ratio in (0.25, 0.5, 1, 2, 4)]
    assert places == [0, 25, 50, 75, 100]
    assert place(-3, 1) == "0.0%"
    assert place(50, 1) == "100.0%"


def test_an_open_interval_reaches_to_the_end() -> None:
    picture = figure(1.0, [None, None]).picture()
    assert 'x1="0.0%" x2="100.0%" y1="50%"' in picture
    assert "interval open to open" in picture
    assert figure(None, None).picture() == ""
    assert figure(None, None).why_undefined == "no ratio"


@pytest.mark.parametrize(
    ("ratio", "interval", "arrows", "words"),
    [
        (2539.4, [2000.0, 3000.0], [("100.0%", "point")], "ratio 2,539, beyond the axis"),
        (0.0, None, [("0.0%", "point")], "ratio 0.000, beyond the axis"),
        (0.569, [0.095, 1.53], [("0.0%", "interval end")], "ratio 0.569, interval 0.095 to 1.530"),
        (0.25, [0.25, 4.0], [], "ratio 0.250, interval 0.250 to 4.000"),
    ],
)
def test_what_lies_beyond_the_axis_is_an_arrow_and_no_point_of_it(
    ratio: float, interval: list[float | None] | None, arrows: list[tuple[str, str]], words: str
) -> None:
    picture = figure(ratio, interval).picture()
    assert re.findall(r'<svg class="beyond" x="([^"]*)" y="50%"><path class="([^"]*)"', picture) == arrows
    assert ("<circle" in picture) == ("beyond" not in words)
    assert words in picture
    assert picture.count("scale(-1 1)") == sum(place == "0.0%" for place, _ in arrows)


def test_an_interval_encloses_its_ratio_as_they_are_written() -> None:
    shown = figure(0.99906, [0.99703, 1.00131])
    assert (shown.ratio, shown.interval) == ("0.999", "0.997 to 1.001")
    assert number(123456.7) == "123,457"


# --- comparisons ---


@pytest.mark.parametrize(
    ("name", "this", "other", "expected"),
    [
        ("fd_classifier", [0.5, 0.6], [0.7, 0.9], "better"),
        ("fd_classifier", [0.7, 0.9], [0.5, 0.6], "worse"),
        ("fd_classifier", [0.5, 0.8], [0.7, 0.9], "no clear difference"),
        ("coverage", [0.5, 0.6], [0.7, 0.9], "worse"),
        ("cas", [0.7, 0.9], [0.5, 0.6], "better"),
        ("two_sample", [0.7, 0.9], [0.5, 0.6], "worse"),
        ("coverage", [0.5, None], [0.7, 0.9], "not compared (an interval is open)"),
    ],
)
def test_better_or_worse_is_said_where_intervals_are_apart(
    name: str, this: list[float | None], other: list[float | None], expected: str
) -> None:
    assert judgement(figure(1.0, this, name), figure(1.0, other, name)) == expected


def committed(*path: str, value: object = None) -> Measured:
    """What the committed run measured; with another value in a details file, if a path of keys is given."""
    measured = read_measured(lambda name: ROOT / "data" / name)
    if not path:
        return measured
    part, *keys, last = path
    record: Any = getattr(measured, part)
    content = record.content()
    inner = content
    for key in keys:
        inner = inner[key]
    assert inner[last] != value
    inner[last] = value
    return replace(measured, **{part: type(record).model_validate(content)})


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("evaluation", "protocol", "num_images"), 500, {"fd_classifier": "num_images", "coverage": "num_images"}),
        (("evaluation", "protocol", "reference", "num_images"), 500, {"precision": "reference"}),
        (("evaluation", "protocol", "neighbours"), 3, {"recall": "neighbours"}),
        (("usefulness", "protocol", "num_images"), 500, {"cas": "num_images"}),
        (
            ("two_sample", "protocol", "counts", "two_sample", "samples", "num_train"),
            500,
            {"two_sample": "counts"},
        ),
        (("two_sample", "protocol", "fd_second", "num_images"), 500, {"fd_second": "num_images"}),
        (("evaluation", "protocol", "features", "classifier_sha256"), "0", {}),
        (("evaluation", "protocol", "versions"), {"torch": "2"}, {}),
    ],
)
def test_only_figures_of_one_protocol_are_compared(
    path: tuple[str, ...], value: object, expected: dict[str, str]
) -> None:
    compared = pairs(committed(), committed(*path, value=value), same_reference=True)
    reasons = {each.this.name: each.judgement for each in compared if each.judgement.startswith("not compared (other")}
    assert {name: reasons.get(name) for name in expected} == {
        name: f"not compared (other {key})" for name, key in expected.items()
    }
    assert {"fd_classifier", "cas", "two_sample"} - set(reasons)  # the other stages' figures still are
    assert expected or not reasons


def test_the_columns_of_every_curve_are_checked_when_its_table_is_read() -> None:
    for curve in CURVES:
        assert {"kimg", *(name for name, _, _ in curve.columns)} <= set(NUMBERS[curve.table])


def test_settings_that_differ_are_named_with_both_values() -> None:
    this = {"train_gan": {"loss": "hinge", "betas": [0.0, 0.9], "seed": 1}, "track": {"seed": 1}}
    other = {"train_gan": {"loss": "minimax", "betas": [0.0, 0.9], "seed": 1, "old": True}, "track": {"seed": 1}}
    assert [(each.name, each.this, each.other) for each in differences(this, other)] == [
        ("train_gan.loss", "hinge", "minimax"),
        ("train_gan.old", "–", "true"),  # noqa: RUF001
    ]


# --- frames ---


@pytest.mark.parametrize("shape", [[1, 28, 28], [1, 64, 64], [3, 28, 28]], ids=str)
def test_frames_are_the_grids_of_the_animation_without_enlargement(shape: list[int]) -> None:
    random = torch.Generator().manual_seed(1)
    images = [(torch.rand(20, *shape, generator=random) > 0.5).float() * 2 - 1 for _ in range(3)]
    content = animation([Frame(number, 1.0, grid(each, 10)) for number, each in enumerate(images, 1)], None)
    pictures = frames_of(content, shape)
    assert len(pictures) == 3
    for picture, each in zip(pictures, images, strict=True):
        with Image.open(io.BytesIO(picture)) as opened:
            np.testing.assert_array_equal(np.asarray(opened), grid(each, 10, times=1))


# --- confusions ---


def test_a_confusion_counts_each_pair_and_its_share() -> None:
    pairs = pd.DataFrame({"asked": list("aaaab"), "recognised": list("aaabb")})
    rows = confusion(pairs, list("abc"))
    assert [[cell.count for cell in row.cells] for row in rows] == [[3, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert [row.share_right for row in rows] == [0.75, 1, None]
    assert [cell.shade for cell in rows[0].cells] == [SHADES, SHADES // 2, 0]
    assert confusion(pairs.iloc[:0], list("abc")) == []
    assert confusion(pairs, [str(number) for number in range(100)]) == []
