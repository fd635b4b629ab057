"""The stage train_gan as processes of its own, in a temporary project, for the tests that stop, kill and compare it."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from tests.gan_params import gan_content
from tools.profiles import TRAINING

ROOT = Path(__file__).parents[1]
CHECKPOINT_KIMG = 0.6
"""Four checkpoints: after 15, 30, 45 and 60 steps."""
STAGE = (sys.executable, "-m", "stages.train_gan")
PATIENCE_S = 300


@dataclass
class Project:
    """A folder with params.yaml, the code (a copy, to be changed at will) and the digits."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, root: Path, normalized: Path, **changes: Any) -> "Project":
        root.mkdir()
        with (root / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(gan_content(TRAINING, **changes), file)
        shutil.copytree(ROOT / "stages", root / "stages")
        (root / "data").mkdir()
        (root / "data" / "normalize").symlink_to(normalized / "normalize")
        return cls(root)

    def environment(self, **variables: str) -> dict[str, str]:
        names = ("DVC_", "GAN_", "PYTEST", "TORCHELASTIC")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(names)}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "GAN_CHECKPOINT_KIMG": str(CHECKPOINT_KIMG)}
        return inherited | own | self.variables | variables

    @contextlib.contextmanager
    def started(self, *command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """A running process, in a session of its own; at the end of the block nothing of it is left."""
        process = subprocess.Popen(
            command or STAGE,
            cwd=self.root,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.kill()
            for left in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()
            process.communicate()

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the stage, or another command, to its end."""
        with self.started(*command, **variables) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run_checked(self, *command: str, **variables: str) -> dict[str, bytes]:
        """What the stage, or another command that must succeed, leaves behind."""
        done = self.run(*command, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        assert command or not done.stderr  # what a launcher prints is its own
        return self.written()

    def written(self) -> dict[str, bytes]:
        """All files of the stage."""
        folder = self.root / "data" / "train_gan"
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def checkpoints(self) -> list[Path]:
        """Whole ones, the oldest first."""
        return sorted((self.root / ".checkpoints").glob("*/step_*.checkpoint"))

    def processes(self) -> list[psutil.Process]:
        """The stage and its workers, the parent first."""
        return sorted((p for p in psutil.process_iter() if self._is_stage(p)), key=lambda process: process.pid)

    def _is_stage(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()  # empty while a process is ending
            return Path(process.cwd()) == self.root and "-c" not in command and command[-1:] == ["stages.train_gan"]
        return False


def wait_until(come: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Return when it has come; the test fails if it does not."""
    end = time.monotonic() + patience_s
    while not come():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.002)
