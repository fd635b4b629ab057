"""A folder in which the stages run as processes of their own, without DVC: code, params.yaml and data."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tools.gpu.needs import RESULTS, is_whole

ROOT = Path(__file__).parents[2]
PAUSE_S = 0.01
LEFT_OUT = ("DVC_", "GAN_", "TORCHELASTIC")
"""Beginnings of variables that the stages do not inherit."""
Files = dict[str, str]
"""SHA-256 by path."""


class PhaseError(RuntimeError):
    """What went wrong in a phase, for gpu.json."""


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kill it if it runs still, and wait until it has ended."""
    if process.poll() is None:
        process.kill()
    process.wait()


def answer_of(module: str, argument: str, end: float) -> dict[str, Any]:
    """The JSON that a module prints last, as a process of its own: what it does to the GPU ends with it.

    Raises PhaseError if it fails, or has not ended by that time (of time.monotonic).
    """
    command = [sys.executable, "-m", module, argument]
    seconds = max(1.0, end - time.monotonic())
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise PhaseError("the time was up before a process had ended") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word"]
        raise PhaseError(f"ended with {done.returncode}: {lines[-1][:300]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@dataclass(frozen=True)
class Training:
    """What a training gave. seconds: of all its processes, from start to end."""

    seconds: float
    files: Files


@dataclass(frozen=True)
class Project:
    """A folder with the code. end: the time (of time.monotonic) by which every process has to end."""

    root: Path
    end: float

    @classmethod
    def create(cls, root: Path, content: dict[str, Any], data: Path, end: float) -> "Project":
        """content: of params.yaml; data: a folder whose digits and classifier are linked, where they are whole.

        Nothing else of it is: what the stages write is the project's own.
        """
        shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        with (root / "params.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(content, file)
        (root / "data").mkdir()
        for folder in filter(lambda name: is_whole(data, name), RESULTS):
            (root / "data" / folder).symlink_to((data / folder).resolve())
        return cls(root, end)

    def run(self, stage: str, **variables: str) -> float:
        """Run a stage to its end. Returns the seconds. Raises PhaseError if it fails or takes too long."""
        begin = time.monotonic()
        with self.running(stage, stage, **variables) as process:
            code = self.wait(process)
        if code:
            raise PhaseError(f"{stage} ended with {code}: {self.last_line(stage)}")
        return time.monotonic() - begin

    @contextmanager
    def running(self, stage: str, log: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """A stage as a process that does not outlive the block; log: the name of the log that it prints to."""
        process = self.start(stage, log, **variables)
        try:
            yield process
        finally:
            end_process(process)

    def start(self, stage: str, log: str, **variables: str) -> subprocess.Popen[bytes]:
        """A stage as a process; log: the name of the log that it prints to."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
        own = {"GAN_PROGRESS": "0"} | {name: value for name, value in variables.items() if value}
        command = [sys.executable, "-m", f"stages.{stage}"]
        with self.log(log).open("w", encoding="utf-8") as file:
            return subprocess.Popen(command, cwd=self.root, env=inherited | own, stdout=file, stderr=subprocess.STDOUT)

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """The exit code. Raises PhaseError if the time is up; the process is then killed."""
        try:
            return process.wait(max(0.0, self.end - time.monotonic()))
        except subprocess.TimeoutExpired:
            end_process(process)
            raise PhaseError("the time was up before a process had ended") from None

    def train(self, graph: str) -> Training:
        """Run train_gan; graph: GAN_CUDA_GRAPH."""
        seconds = self.run("train_gan", GAN_PROCESSES="1", GAN_CUDA_GRAPH=graph)
        return Training(seconds, self.files())

    def train_interrupted(self, graph: str, then: str, checkpoint_kimg: float) -> Training:
        """The same, stopped by SIGTERM after its first checkpoint, and run again with the other value."""
        variables = {"GAN_PROCESSES": "1", "GAN_CHECKPOINT_KIMG": str(checkpoint_kimg)}
        begin = time.monotonic()
        with self.running("train_gan", "stopped", GAN_CUDA_GRAPH=graph, **variables) as process:
            while process.poll() is None and not list(self.root.glob(".checkpoints/*/step_*.checkpoint")):
                if time.monotonic() >= self.end:
                    raise PhaseError("the time was up before the first checkpoint")
                time.sleep(PAUSE_S)
            process.send_signal(signal.SIGTERM)
            code = self.wait(process)
        if code != 128 + signal.SIGTERM:
            raise PhaseError(f"train_gan ended with {code} before it was stopped: {self.last_line('stopped')}")
        self.run("train_gan", GAN_CUDA_GRAPH=then, **variables)
        if "resuming from the checkpoint" not in self.log("train_gan").read_text(encoding="utf-8"):
            raise PhaseError("train_gan did not resume from the checkpoint")
        return Training(time.monotonic() - begin, self.files())

    def log(self, name: str) -> Path:
        """The file that holds what a stage printed."""
        return self.root / f"{name}.log"

    def last_line(self, name: str) -> str:
        """The last line of a log."""
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "no word"

    def files(self) -> Files:
        """All files of train_gan."""
        folder = self.root / "data" / "train_gan"
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
