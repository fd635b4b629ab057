"""Names of signals that ended a process, for messages."""

import signal


def signal_name(number: int) -> str:
    """Such as SIGKILL; `signal 35` for one without a name, as Linux's real-time signals between first and last are."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
