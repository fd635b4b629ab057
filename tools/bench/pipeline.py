"""The measurements of the other stages, on the files of a finished run: each once, for they are long.

Stages run in processes and folders of their own, as `make cost` runs them, and start-up is part of their time.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from stages import evaluate
from stages.classifier.model import load_classifier
from stages.common.params import validate_section
from stages.evaluation.comparisons import compare
from stages.evaluation.embedded import beside_training, embed
from stages.evaluation.image_sets import read_images
from stages.evaluation.registry import METRICS
from stages.gan.team import Team
from tools.bench.figures import Figure, figure
from tools.bench.task import ROOT, Results, Task, run_task
from tools.cost import STAGES, measure
from tools.profiles import params_with

STAGE_TIMES, GENERATE, EVALUATE = "stages", "generate", "evaluate"
"""The groups of figures."""
SAMPLES, MANY_SAMPLES = (1_000, 10_000, 100_000), (1_000_000,)
EVALUATED = (1_000, 10_000)
NEEDS_NETWORK, LONG = ("download",), ("train_gan",)
NEEDED = (
    "normalize/train.safetensors",
    "train_classifier/classifier.safetensors",
    "train_gan/generator.safetensors",
    "train_gan/discriminator.safetensors",
    "train_gan/snapshots.safetensors",
    "generate/samples.safetensors",
)
"""Files that a finished run leaves under data/, and a clone lacks."""


def is_finished(root: Path) -> bool:
    """Whether the project at root has the files of a finished run."""
    return all((root / "data" / name).is_file() for name in NEEDED)


def pipeline_figures(large: bool) -> list[Figure]:
    """All figures of this module. large: train_gan too, and a million samples."""
    figures: list[Figure] = []
    for count in SAMPLES + MANY_SAMPLES * large:
        figures += generate_figures(ROOT, count)
    for stage in STAGES:
        if stage not in NEEDS_NETWORK + LONG * (not large):
            figures += stage_figures(ROOT, stage)
    for count in EVALUATED:
        changes = {"evaluate": {"num_images": count}}
        results = run_task(f"evaluate, {count} samples", Task(EVALUATE, changes=changes))
        results.pop("peak_mib")
        figures += [figure(EVALUATE, name, f"s, {count:,} samples", [seconds]) for name, seconds in results.items()]
    return figures


def generate_figures(root: Path, count: int) -> list[Figure]:
    """Speed and memory of the stage generate for that many samples."""
    print(f"generate, {count:,} samples", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cost = measure("generate", root, Path(folder), {"generate": {"num_images": count}})
    columns = {"s": cost.wall_s, "images/s": count / cost.wall_s, "peak MiB": cost.peak_mib}
    return [figure(GENERATE, f"{count:,} samples", unit, [value]) for unit, value in columns.items()]


def stage_figures(root: Path, stage: str) -> list[Figure]:
    """Time and memory of a stage with the params of the run."""
    print(f"stage {stage}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cost = measure(stage, root, Path(folder))
    columns = {"s": cost.wall_s, "CPU s": cost.cpu_s, "peak MiB of a process": cost.peak_mib}
    return [figure(STAGE_TIMES, stage, unit, [value]) for unit, value in columns.items()]


def measure_metrics(task: Task, _team: Team) -> Results:
    """Seconds of each metric of the finished run's samples, with the changes of the task."""
    return metric_seconds(validate_section(params_with(task.changes), EVALUATE, evaluate.Params), ROOT / "data")


def metric_seconds(params: evaluate.Params, data: Path) -> Results:
    """Seconds of what the metrics share, then of each metric of the samples by what remains for it alone."""
    seconds: Results = {}

    def timed(name: str, function: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = function()
        seconds[name] = time.perf_counter() - begin
        return result

    images, paths = timed("loading images", lambda: read_images(data))
    images = evaluate.at_equal_count(params, images)
    path = data / "train_classifier" / "classifier.safetensors"
    classifier = load_classifier(path, images["test"], paths["test"])
    sets = timed("features of four sets", lambda: {name: embed(classifier, own, path) for name, own in images.items()})
    training = sets.pop("train").features
    sets = timed("nearest training images", lambda: beside_training(sets, training))
    comparison = compare(sets, len(images["test"].classes), params.neighbours, params.seed).samples
    timed("neighbourhoods, for four metrics", lambda: comparison.neighbourhoods)
    for name, metric in METRICS.items():
        timed(f"`{name}`", partial(metric, comparison))
    return seconds
