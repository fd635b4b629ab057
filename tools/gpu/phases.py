"""The phases of `tools.gpu`: each gives its figures, or raises what failed, and the others go on."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from stages.gan import environment
from tools.gpu.project import ROOT, Files, PhaseError, Project, Training
from tools.gpu.quality import judged
from tools.gpu.speed import Task
from tools.profiles import Changes, combined

Figures = dict[str, Any]
BF16: Changes = {"train_gan": {"precision": "bfloat16"}}


@dataclass
class Bench:
    """What the phases share.

    content: of params.yaml, device included; data: with normalize, and train_classifier if there is one; source: the
    folder with the IDX files; steps: to be timed; checkpoint_kimg: after which a training is stopped; end: as in
    Project.
    """

    content: Changes
    data: Path
    source: str | None
    steps: int
    checkpoint_kimg: float
    end: float
    scratch: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="gan_gpu_")))
    trained: dict[str, Project] = field(default_factory=dict)
    reference: Files = field(default_factory=dict)
    classifier: "subprocess.Popen[bytes] | None" = None

    @property
    def device(self) -> torch.device:
        """Where the trainings run."""
        return torch.device(self.content["train_gan"]["device"])

    def project(self, name: str, changes: Changes | None = None) -> Project:
        """A new folder for a training, with the digits."""
        content = combined(self.content, changes or {})
        return Project.create(self.scratch / name, content, self.data, self.end)

    def same(self, training: Training) -> Figures:
        """Seconds of a training. Raises PhaseError if its files are not those of the first one that did not fail."""
        self.reference = self.reference or training.files
        names = sorted({*self.reference, *training.files})
        if other := [name for name in names if self.reference.get(name) != training.files.get(name)]:
            raise PhaseError(f"other bytes than the first training's: {', '.join(other[:5])}")
        return {"seconds_of_training": training.seconds, "same_bytes": True}


def machine(bench: Bench) -> Figures:
    """The environment that the bytes belong to, and the GPU's memory."""
    figures: Figures = {"environment": environment.describe(bench.device)}
    if bench.device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        figures |= {"free_mib": free / 2**20, "total_mib": total / 2**20, "kernels_for": torch.cuda.get_arch_list()}
    return figures


def digits(bench: Bench) -> Figures:
    """The normalised digits, from the IDX files if they are not there; then the classifier begins to learn."""
    if not (bench.data / "normalize").is_dir():
        project = Project.create(bench.scratch / "digits", bench.content, bench.data, bench.end)
        for stage in ("download", "normalize"):
            project.run(stage, GAN_DATA_SOURCE=bench.source or "")
        bench.data = project.root / "data"
    if not (bench.data / "train_classifier").is_dir():
        project = bench.project("classifier")
        with project.log("train_classifier").open("w", encoding="utf-8") as log:
            bench.classifier = project.start("train_classifier", log)
    return {}


def first(bench: Bench) -> Figures:
    """The default training by CUDA graphs: the reference for all bytes."""
    project = bench.project("first")
    training = project.train("1")
    bench.trained["float32"], bench.reference = project, training.files
    images = combined(bench.content)["train_gan"]["total_kimg"] * 1000
    return {
        "seconds_of_training": training.seconds,
        "images_per_s_with_start": images / training.seconds,
        "generator_sha256": training.files["generator.safetensors"],
    }


def again(bench: Bench) -> Figures:
    """The same once more."""
    return bench.same(bench.project("again").train("1"))


def eager(bench: Bench) -> Figures:
    """The same, each kernel launched by itself."""
    project = bench.project("eager")
    training = project.train("0")
    bench.trained.setdefault("float32", project)
    return bench.same(training)


def resumed(bench: Bench) -> Figures:
    """The same, stopped by SIGTERM and resumed."""
    return bench.same(bench.project("resumed").train_interrupted("1", "1", bench.checkpoint_kimg))


def graph_then_eager(bench: Bench) -> Figures:
    """A checkpoint of the graph, continued kernel by kernel."""
    return bench.same(bench.project("graph_then_eager").train_interrupted("1", "0", bench.checkpoint_kimg))


def eager_then_graph(bench: Bench) -> Figures:
    """A checkpoint of the training kernel by kernel, continued by the graph."""
    return bench.same(bench.project("eager_then_graph").train_interrupted("0", "1", bench.checkpoint_kimg))


def bfloat16(bench: Bench) -> Figures:
    """The default training with convolutions and products in bfloat16."""
    project = bench.project("bfloat16", BF16)
    training = project.train("1")
    bench.trained["bfloat16"] = project
    return {"seconds_of_training": training.seconds, "generator_sha256": training.files["generator.safetensors"]}


def measured(graph: bool, changes: Changes) -> Callable[[Bench], Figures]:
    """Speed, kernels and memory of a step."""

    def phase(bench: Bench) -> Figures:
        content = combined(bench.content, changes)
        task = Task(content, str(bench.data), str(bench.device), graph, bench.steps)
        command = [sys.executable, "-m", "tools.gpu.speed", task.as_json()]
        seconds = max(1.0, bench.end - time.monotonic())
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no word"]
            raise PhaseError(f"ended with {done.returncode}: {lines[-1][:300]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    return phase


def quality(precision: str) -> Callable[[Bench], Figures]:
    """Metrics of the training of that precision, beside the spread over seeds of runs on the CPU."""

    def phase(bench: Bench) -> Figures:
        if precision not in bench.trained:
            raise PhaseError(f"there is no finished training in {precision}")
        project = bench.trained[precision]
        return judged(project, bench.content, bench.classifier, bench.scratch / "classifier")

    return phase


PHASES: dict[str, Callable[[Bench], Figures]] = {
    "machine": machine,
    "digits": digits,
    "first": first,
    "again": again,
    "eager": eager,
    "speed_graph": measured(True, {}),
    "speed_eager": measured(False, {}),
    "speed_bfloat16": measured(True, BF16),
    "resumed": resumed,
    "graph_then_eager": graph_then_eager,
    "eager_then_graph": eager_then_graph,
    "bfloat16": bfloat16,
    "quality": quality("float32"),
    "quality_bfloat16": quality("bfloat16"),
}
"""In the order of what one would miss most if the time ran out."""


def run_phases(bench: Bench, names: list[str]) -> dict[str, Figures]:
    """Each phase with its figures and seconds, or with what failed."""
    results: dict[str, Figures] = {}
    for name in names:
        begin = time.monotonic()
        try:
            if begin >= bench.end:
                raise PhaseError("the time was up")
            figures: Figures = {"ok": True}
            figures |= PHASES[name](bench)
        except Exception as error:  # whatever it is: the other phases are to bring what they can
            text = " ".join(str(error).split()) or type(error).__name__
            figures = {"ok": False, "error": text[:400]}
        results[name] = figures | {"seconds": time.monotonic() - begin}
        print(f"{name}: {'ok' if figures['ok'] else figures['error']} ({results[name]['seconds']:.1f} s)", flush=True)
    if bench.classifier and bench.classifier.poll() is None:
        bench.classifier.kill()
    return results
