"""A process may be ended by a signal that has no name."""

import signal

import pytest

from stages.gan import devices, launch
from stages.gan.signal_names import signal_name


def test_signals_have_the_names_that_users_know() -> None:
    assert [signal_name(number) for number in (2, 9, 15)] == ["SIGINT", "SIGKILL", "SIGTERM"]


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    """Linux's real-time signals have names for the first and the last alone."""
    nameless = next(number for number in range(1, 200) if number not in list(signal.Signals))
    assert signal_name(nameless) == f"signal {nameless}"
    assert devices._end_of(-nameless, b"") == f"a test of it was ended by signal {nameless}"


def test_a_worker_that_such_a_signal_ended_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    class Failed:
        failures = {0: type("Failure", (), {"exitcode": -200})}  # noqa: RUF012

    assert launch._exit_code(Failed(), 0, "stages.train_gan") == 1  # type: ignore[arg-type]
    assert "a worker was ended by signal 200; `dvc repro` resumes" in capsys.readouterr().err
