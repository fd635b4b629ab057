"""The stage train_gan, with a note of the time at which each snapshot is finished. clock.train runs this.

Nothing of the training changes: process 0 adds a snapshot to its journal as ever, and then writes a line to the file
that the environment variable VARIABLE names, which is no out of the stage. A training that goes wrong writes one, too.
"""

import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from stages import train_gan
from stages.gan import loop
from stages.gan.finite import NotFiniteError
from stages.gan.journal import Journal
from stages.gan.launch import launch
from stages.gan.signs import GoneWrongError

VARIABLE = "GAN_RECORD_TIMES"
WENT_WRONG = "went_wrong"
"""The line of a training that numbers which are not finite, or its own monitor, have ended."""
RUN = loop.Loop.run


class NotingJournal(Journal):
    """A journal that notes when it is given a snapshot: its steps and time.time(), a line each."""

    def add(self, name: str, content: bytes) -> None:
        """See Journal."""
        super().add(name, content)
        if name.startswith(loop.SNAPSHOT):
            note(f"{name.removeprefix(loop.SNAPSHOT)} {time.time()!r}")


def note(line: str) -> None:
    """Add a line to the file."""
    with Path(os.environ[VARIABLE]).open("a", encoding="ascii") as file:
        file.write(f"{line}\n")


def run(self: loop.Loop, *arguments: Any) -> None:
    """See Loop.run."""
    try:
        RUN(self, *arguments)
    except (NotFiniteError, GoneWrongError):
        note(WENT_WRONG)
        raise


def _launch(_module: str, count: int) -> None:
    """Start processes that note times in place of the stage's own."""
    launch("tools.record.worker", count)


def main() -> None:
    """Run the stage."""
    with (
        patch.object(loop, "Journal", NotingJournal),
        patch.object(loop.Loop, "run", run),
        patch.object(train_gan, "launch", _launch),
    ):
        train_gan.main()


if __name__ == "__main__":
    main()
