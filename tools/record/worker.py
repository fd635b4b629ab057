"""The stage train_gan, with a note of the time at which each snapshot is finished. clock.train runs this.

Nothing of the training changes: process 0 adds a snapshot to its journal as ever, and then writes a line to the file
that the environment variable VARIABLE names, which is no out of the stage.
"""

import os
import time
from pathlib import Path
from unittest.mock import patch

from stages import train_gan
from stages.gan import loop
from stages.gan.journal import Journal
from stages.gan.launch import launch

VARIABLE = "GAN_RECORD_TIMES"


class NotingJournal(Journal):
    """A journal that notes when it is given a snapshot: its steps and time.time(), a line each."""

    def add(self, name: str, content: bytes) -> None:
        """See Journal."""
        super().add(name, content)
        if name.startswith(loop.SNAPSHOT):
            with Path(os.environ[VARIABLE]).open("a", encoding="ascii") as file:
                file.write(f"{name.removeprefix(loop.SNAPSHOT)} {time.time()!r}\n")


def _launch(_module: str, count: int) -> None:
    """Start processes that note times in place of the stage's own."""
    launch("tools.record.worker", count)


def main() -> None:
    """Run the stage."""
    with patch.object(loop, "Journal", NotingJournal), patch.object(train_gan, "launch", _launch):
        train_gan.main()


if __name__ == "__main__":
    main()
