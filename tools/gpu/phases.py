"""The phases of `tools.gpu`: each gives its figures, or raises what failed, and the others go on."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.gpu.needs import is_whole
from tools.gpu.project import Files, PhaseError, Project, Training, answer_of, end_process
from tools.gpu.quality import judged
from tools.gpu.speed import Task
from tools.profiles import Changes, combined

Figures = dict[str, Any]
BF16: Changes = {"train_gan": {"precision": "bfloat16"}}
ALONE = "nothing to compare with"
"""Of the first training whose bytes are to be the same as those of others."""


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
    def device(self) -> str:
        """Where the trainings run."""
        return str(self.content["train_gan"]["device"])

    def project(self, name: str, changes: Changes | None = None) -> Project:
        """A new folder for a training, with the digits."""
        content = combined(self.content, changes or {})
        return Project.create(self.scratch / name, content, self.data, self.end)

    def same(self, training: Training) -> Figures:
        """Seconds of a training, and that its files are those of the first one that did not fail.

        Where there was none it is the first itself, and no bytes are the same. Raises PhaseError if files differ.
        """
        if not self.reference:
            self.reference = training.files
            return {"seconds_of_training": training.seconds, "bytes": ALONE}
        names = sorted({*self.reference, *training.files})
        if other := [name for name in names if self.reference.get(name) != training.files.get(name)]:
            raise PhaseError(f"other bytes than the first training's: {', '.join(other[:5])}")
        return {"seconds_of_training": training.seconds, "same_bytes": True}


def machine(bench: Bench) -> Figures:
    """The environment that the bytes belong to, and the GPU's memory."""
    return answer_of("tools.gpu.machine", bench.device, bench.end)


def digits(bench: Bench) -> Figures:
    """The normalised digits, from the IDX files if they are not there; then the classifier begins to learn."""
    if not is_whole(bench.data, "normalize"):
        project = Project.create(bench.scratch / "digits", bench.content, bench.data, bench.end)
        for stage in ("download", "normalize"):
            project.run(stage, GAN_DATA_SOURCE=bench.source or "")
        bench.data = project.root / "data"
    if not is_whole(bench.data, "train_classifier"):
        bench.classifier = bench.project("classifier").start("train_classifier", "train_classifier")
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
        task = Task(content, str(bench.data), bench.device, graph, bench.steps)
        return answer_of("tools.gpu.speed", task.as_json(), bench.end)

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


def run_phases(
    bench: Bench, names: list[str], save: Callable[[dict[str, Figures]], None] = lambda _: None
) -> dict[str, Figures]:
    """Each phase with its figures and seconds, or with what failed.

    save: what to do with all of them after each phase. No process outlives this, whatever ends it.
    """
    results: dict[str, Figures] = {}
    try:
        for name in names:
            results[name] = figures = _run_phase(bench, name)
            save(results)
            print(f"{name}: {'ok' if figures['ok'] else figures['error']} ({figures['seconds']:.1f} s)", flush=True)
    finally:
        if bench.classifier:
            end_process(bench.classifier)
    return results


def _run_phase(bench: Bench, name: str) -> Figures:
    begin = time.monotonic()
    try:
        if begin >= bench.end:
            raise PhaseError("the time was up")
        figures: Figures = {"ok": True}
        figures |= PHASES[name](bench)
    except Exception as error:  # whatever it is: the other phases are to bring what they can
        text = " ".join(str(error).split()) or type(error).__name__
        figures = {"ok": False, "error": text[:400]}
    return figures | {"seconds": time.monotonic() - begin}
