"""What stage report refuses, in one line, and that a training that diverged still gets its page."""

import io
import json
import math
import random
import re
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from stages.common import shards
from stages.common.errors import UserError
from stages.common.files import read_tensors, write_json, write_tensors
from stages.common.grids import grid
from stages.common.images import load_image_set
from stages.evaluation.animation import MOST_COLUMNS, MOST_FRAMES, MOST_ROWS, Frame, layout
from stages.evaluation.animation import animation as moving
from stages.reporting.charts import MOST_TICKS, Axis, Chart, Series
from stages.reporting.content import MOST_BYTES, digest_of
from stages.reporting.frames import frames_of
from stages.reporting.page import render
from stages.reporting.run import ANIMATION, HISTORY, MONITOR, SAMPLES, TRACK, Run, read_run
from stages.reporting.training import animation, curves, distance_chart
from tests.fuzzing import assert_one_line, mutated
from tests.reporting.finished import every_param, write_generator

EVALUATED, USED, JUDGED = (f"{stage}/details.json" for stage in ("evaluate", "usefulness", "two_sample"))


@pytest.fixture
def changed(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "data"))


def read(data: Path) -> Run:
    return read_run(data, every_param())


def refusal(data: Path) -> str:
    """What the report says instead of a page."""
    with pytest.raises(UserError) as caught:
        animation(read(data))
    assert_one_line(caught.value, data)
    return str(caught.value)


# --- sizes ---


@pytest.mark.parametrize("name", ["generate/samples.png", ANIMATION, HISTORY, "evaluate/confusion.csv"])
def test_a_file_far_too_large_is_refused_before_it_is_read(name: str, changed: Path) -> None:
    most = MOST_BYTES[Path(name).suffix]
    with (changed / name).open("r+b") as file:
        file.truncate(most + (1 << 20))  # sparse: no disk is used
    assert f"{name}: expected at most {most >> 20} MiB, found {(most >> 20) + 1}; `dvc checkout" in refusal(changed)


def test_a_file_is_hashed_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "samples.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 25)
    tracemalloc.start()
    digest_of(path, "sha256")
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_of_many_samples_only_the_first_are_read(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "READ_WHOLE", 100)
    whole = len(load_image_set(changed / SAMPLES))
    assert len(read(changed).samples) == 100 < whole


# --- animations ---


def with_screen(width: int, height: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:6] + struct.pack("<2H", width, height) + content[10:]


def of_many_frames(content: bytes) -> bytes:
    del content
    pictures = [Image.new("L", (300, 300), number) for number in range(MOST_FRAMES + 1)]
    made = io.BytesIO()
    pictures[0].save(made, format="GIF", save_all=True, append_images=pictures[1:])
    return made.getvalue()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_screen(65535, 65535), "expected at most .* pixels, .*, found 65535 x 65535"),
        (with_screen(900, 130), "expected at most .* pixels, .*, found 900 x 130"),
        (of_many_frames, f"expected at most {MOST_FRAMES} frames, found {MOST_FRAMES + 1}"),
        (lambda content: b"\x89PNG" + content, "expected a GIF"),
        (lambda content: b"", "expected a GIF"),
        (lambda content: content[:8], ".+"),
        (lambda content: content[:14], ".+"),
        (lambda content: content[: len(content) // 2], ".+"),
    ],
)
def test_a_broken_animation_is_refused(change: Callable[[bytes], bytes], reason: str, changed: Path) -> None:
    path = changed / ANIMATION
    path.write_bytes(change(path.read_bytes()))
    assert re.fullmatch(rf"data/{ANIMATION} is no animation of the training \({reason}\); `dvc .*", refusal(changed))


def test_every_animation_that_is_made_fits_the_bound() -> None:
    for rows, columns in map(layout, range(1, 1001)):
        assert rows <= MOST_ROWS
        assert columns <= MOST_COLUMNS


@pytest.mark.parametrize("count", [30, pytest.param(3000, marks=pytest.mark.slow)])
def test_damaged_animations_are_frames_or_refused(count: int) -> None:
    images = torch.rand(2, 5, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1
    content = moving([Frame(number, 1.0, grid(each, 10)) for number, each in enumerate(images)], None)
    draw = random.Random(1)
    for _ in range(count):
        try:
            frames_of(mutated(content, draw), [1, 28, 28])
        except ValueError as error:
            assert_one_line(error)


# --- tables ---


def set_cells(path: Path, column: str, values: Callable[[int], float]) -> None:
    table = pd.read_csv(path)
    table[column] = [values(row) for row in range(len(table))]
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("table", "value"), [(HISTORY, math.inf), (MONITOR, -math.inf), (TRACK, math.inf), (TRACK, -1.0), (HISTORY, 1e16)]
)
def test_moments_that_no_training_has_are_refused(table: str, value: float, changed: Path) -> None:
    set_cells(changed / table, "kimg", lambda row: value if row == 3 else row + 1)
    assert f"{table} is no table (kimg: expected numbers from 0 to 1e+15, found " in refusal(changed)


def test_numbers_of_many_digits_are_numbers(changed: Path) -> None:
    """pandas leaves them as texts."""
    path = changed / HISTORY
    lines = path.read_text(encoding="utf-8").splitlines()
    first, rest = lines[1].split(",", maxsplit=1)
    path.write_text("\n".join([lines[0], f"{first},{'9' * 30}," + rest.split(",", maxsplit=1)[1], *lines[2:]]))
    assert read(changed).tables[HISTORY]["d_loss"][0] == pytest.approx(1e30)


@pytest.mark.parametrize(
    "values",
    [
        lambda row: 1e17,
        lambda row: 1e308 * (-1) ** row,
        lambda row: 3.4e38 if row > 5 else 0.1,
        lambda row: [1.0, math.inf, -math.inf, math.nan][row % 4],
        lambda row: 1e17 + 16 * row,
    ],
)
def test_charts_of_a_training_that_diverged_are_drawn(values: Callable[[int], float], changed: Path) -> None:
    for table, column in ((HISTORY, "g_loss"), (HISTORY, "g_grad_norm"), (TRACK, "fd_classifier")):
        set_cells(changed / table, column, values)
    run = read(changed)
    page = "".join(drawn.chart.svg() for drawn in (distance_chart(run), *curves(run)))
    (points,) = re.findall(r'data-points="([^"]*)"', page)
    assert all(math.isfinite(float(number)) for point in points.split() for number in point.split(","))
    paths = " ".join(re.findall(r'<path class="line [^>]*', page))
    assert "nan" not in paths
    assert "inf" not in paths


def test_the_page_of_a_training_that_diverged_is_made(changed: Path) -> None:
    """A Wasserstein loss can do that."""
    set_cells(changed / HISTORY, "d_loss", lambda row: -3e16)
    assert "discriminator from -3e+16 to -3e+16" in render(read(changed), 1)


@pytest.mark.parametrize(
    "values", [[3e16], [1e17] * 2, [0.1, 3.4e38], [1e-20, 3e-20], [5e-324, 1e-323], [-1e308, 1e308]]
)
@pytest.mark.parametrize("is_log", [False, True])
def test_a_chart_of_huge_or_tiny_values_has_few_ticks_within(values: list[float], is_log: bool) -> None:
    chart = Chart("Loss", [*range(len(values))], [Series("it", "real", values)], is_log=is_log)
    assert chart.svg().startswith("<svg")
    _, vertical = chart.axes()
    assert 2 <= len(vertical.ticks) <= MOST_TICKS + 2
    room = 1e-6 * (vertical.high - vertical.low)
    assert all(vertical.low - room <= tick <= vertical.high + room for tick in vertical.ticks)


def test_a_logarithmic_axis_of_many_powers_has_few_labels() -> None:
    assert 2 <= len(Axis(1e-5, 1e38, 0, 1, is_log=True).ticks) <= MOST_TICKS


# --- details ---


def dropped(*keys: str) -> Callable[[dict[str, Any]], None]:
    def drop(content: dict[str, Any]) -> None:
        *outer, last = keys
        for key in outer:
            content = content[key]
        del content[last]

    return drop


def unknown(content: dict[str, Any]) -> None:
    content["metrics"]["foo"] = content["metrics"]["coverage"]


def one_bound(content: dict[str, Any]) -> None:
    next(iter(content["metrics"].values()))["ratio_interval"] = [1.0]


def no_words(content: dict[str, Any]) -> None:
    content["in_plain_words"] = ""


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (EVALUATED, unknown, "metrics: expected names of evaluate.metrics, found foo"),
        (EVALUATED, dropped("metrics", "fd_classifier"), "metrics: expected the key fd_classifier, found "),
        (JUDGED, dropped("metrics", "two_sample"), "metrics: expected the key two_sample, found two_sample_"),
        (JUDGED, dropped("protocol", "counts", "two_sample"), "protocol.counts: expected the key two_sample, found "),
        (USED, dropped("metrics", "cas"), "metrics: expected the key cas, found nothing"),
        (EVALUATED, one_bound, "ratio_interval: expected 2 bounds, found 1"),
        (USED, one_bound, "ratio_interval: expected 2 bounds, found 1"),
        (JUDGED, one_bound, "ratio_interval: expected 2 bounds, found 1"),
        (USED, no_words, "in_plain_words: expected a line, found nothing"),
        (JUDGED, no_words, "in_plain_words: expected a line, found nothing"),
    ],
)
def test_details_that_the_page_cannot_show_are_refused(
    name: str, change: Callable[[dict[str, Any]], None], reason: str, changed: Path
) -> None:
    content = json.loads((changed / name).read_text(encoding="utf-8"))
    change(content)
    write_json(changed / name, content)
    assert f"{name}: {reason}" in refusal(changed)


# --- the generator ---


@pytest.mark.parametrize("origin", ["train_gan", "init/mine"])
def test_samples_of_a_generator_of_other_classes_are_refused(origin: str, changed: Path) -> None:
    write_generator(changed, num_classes=12, width=4)
    path = changed / "train_gan" / "generator.safetensors"
    tensors, meta = read_tensors(path)
    write_tensors(changed / origin / path.name, tensors, meta | {"classes": [f"c{number}" for number in range(12)]})
    params = every_param()
    params["generate"]["generator"] = origin
    with pytest.raises(UserError) as caught:
        read_run(changed, params)
    assert_one_line(caught.value, changed)
    assert re.search(
        rf"{SAMPLES}: expected classes \['c0', .*as in .*{origin}/generator.safetensors, found \['0', .*"
        "`dvc repro generate` makes it again",
        str(caught.value),
    )


def test_samples_of_a_generator_of_other_images_are_refused(changed: Path) -> None:
    write_generator(changed, image_shape=[1, 32, 32], width=4)
    assert f"{SAMPLES}: expected image shape [1, 32, 32], as in " in refusal(changed)


# --- all files ---


@pytest.mark.slow
def test_damaged_files_are_shown_or_refused(changed: Path) -> None:
    draw = random.Random(1)
    names = list(read(changed).sha256)
    for _ in range(200):
        path = changed / draw.choice(names)
        content = path.read_bytes()
        path.write_bytes(mutated(content, draw))
        try:
            render(read(changed), 1)
        except UserError as error:
            assert_one_line(error, changed)
        path.write_bytes(content)
