"""Progress: a line each half minute by a fake clock, bars on a terminal, nothing on stdout."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from stages.common import progress
from stages.common.blocks import in_order


class Clock:
    """Seconds since the start, which a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A fake clock for the lines; no terminal, no GAN_PROGRESS."""
    monkeypatch.delenv("GAN_PROGRESS", raising=False)
    clock = Clock()
    monkeypatch.setattr(progress, "_INTERVAL", progress.Interval(clock))
    return clock


def test_a_line_each_half_minute_says_what_and_how_far(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress.counted(range(3000), "features", 3000, "image"):
        clock.now += 0.03
    written = capsys.readouterr()
    assert written.err.splitlines() == [
        "features: 1,000 of 3,000 images, 33 images/s, about 60 s left",
        "features: 2,000 of 3,000 images, 33 images/s, about 30 s left",
        "features: 3,000 of 3,000 images, 33 images/s",
    ]
    assert written.out == ""


def test_many_short_loops_are_not_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        for _ in progress.counted(range(2), f"loop {number}", 2, "step"):
            clock.now += 10
    assert capsys.readouterr().err.splitlines() == [
        "loop 1: 1 of 2 steps, 0.1 steps/s, about 10 s left",
        "loop 2: 2 of 2 steps, 0.1 steps/s",
    ]


def test_a_short_run_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.counted("abc", "letters", 3, "letter")) == ["a", "b", "c"]
    clock.now = 29.9
    with progress.progress("steps", 1, "step") as counter:
        counter.advance()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("setting", "terminal", "bar"), [("", True, True), ("0", True, False), ("1", False, True)])
def test_bars_in_the_place_of_lines(
    setting: str, terminal: bool, bar: bool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setenv("GAN_PROGRESS", setting)
    monkeypatch.setattr(progress, "BAR_DELAY_S", 0)
    monkeypatch.setattr(sys, "stderr", stderr)
    for _ in progress.counted(range(5), "features", 5, "image"):
        clock.now += 100
    assert ("features:" in stderr.getvalue()) is bar
    assert "of 5 images" not in stderr.getvalue()


def test_what_an_earlier_run_did_counts_as_done_but_not_for_the_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.progress("training", 100, "step", done=80) as counter:
        clock.now += 40
        counter.advance(10)
    assert capsys.readouterr().err == "training: 90 of 100 steps, 0.25 steps/s, about 40 s left\n"


def test_processes_beside_the_first_say_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("training", 100, "step", is_hidden=True) as counter:
        clock.now += 40
        counter.advance(10)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (5990, "100 min"), (9000, "2.5 h"), (36e3, "10 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


@pytest.mark.parametrize("setting", ["0", "1"])
def test_no_lines_where_the_setting_speaks(
    setting: str, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAN_PROGRESS", setting)
    for _ in progress.counted(range(5), "features", 5, "image"):
        clock.now += 100
    assert " of 5 images" not in capsys.readouterr().err


def test_a_closed_stderr_stops_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    stderr.isatty = lambda: False  # type: ignore[method-assign]
    stderr.close()
    monkeypatch.setattr(sys, "stderr", stderr)
    for _ in progress.counted(range(2), "features", 2, "image"):
        clock.now += 100


def test_threads_count_together(clock: Clock) -> None:
    with progress.progress("steps", 4000, "step") as counter, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: counter.advance(), range(4000)))
    assert counter.done == 4000


def test_blocks_come_in_order_and_count_rows(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    results = []
    for result in in_order(lambda start: start, range(0, 250, 100), threads=3, description="blocks"):
        results.append(result)
        clock.now += 40
    assert results == [0, 100, 200]
    assert capsys.readouterr().err.splitlines() == [
        "blocks: 200 of 250 images, 5 images/s, about 10 s left",
        "blocks: 250 of 250 images, 3.1 images/s",
    ]


def test_blocks_after_an_error_are_not_computed() -> None:
    begun = []

    def fail(start: int) -> None:
        begun.append(start)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(in_order(fail, range(1000), threads=1, description="blocks"))
    assert len(begun) < 1000


def test_a_loop_that_is_part_of_a_longer_one_shows_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress.counted(range(3), "samples", 3, "image"):
        clock.now += 20
        with progress.nested():
            for _ in progress.counted(range(100), "forward passes", 100, "image"):
                clock.now += 0.2
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["samples"] * 3
