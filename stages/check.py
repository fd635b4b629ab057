"""Refuse a bad params.yaml before DVC deletes or runs anything else, and name the versions that decide bytes.

Every other stage depends on what this one writes. A changed parameter leaves that file as it was, so nothing
reruns for it; an upgrade of a library that decides bytes changes it, so that everything computed reruns.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages import baseline, download, evaluate, generate, normalize, track, train_classifier, train_gan
from stages.common import limits
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.params import PARAMS_FILE, StageParams, printable, read_params_file, validate_section
from stages.common.runtime import (
    checkpoint_kimg,
    find_device,
    make_deterministic,
    processes,
    report_errors,
    show_progress,
)
from stages.common.workspace import workspace_problems
from stages.download import DATASETS
from stages.evaluation.inception import load_inception
from stages.gan import architectures
from stages.gan.initial import initial_files, read_net

SCHEMAS: dict[str, type[StageParams]] = {
    "download": download.Params,
    "normalize": normalize.Params,
    "train_classifier": train_classifier.Params,
    "train_gan": train_gan.Params,
    "generate": generate.Params,
    "track": track.Params,
    "evaluate": evaluate.Params,
    "baseline": baseline.Params,
}
WRITING = ["check", *SCHEMAS, "usefulness"]
"""The stages, each of which writes a folder under data/."""
LOCK = Path("requirements.txt")
DECIDE_BYTES = ("numpy", "torch")


def run(params_file: Path, lock: Path, data: Path) -> None:
    """Check all of params.yaml, that what it names is there, and the GAN_... settings; write data/check/ok.json.

    Raises UserError that lists every wrong key of every section.
    """
    content = read_params_file(params_file)
    problems = [
        f"{params_file}: {printable(str(name))}: unknown section; expected {', '.join(SCHEMAS)}"
        for name in content.keys() - SCHEMAS
    ]
    sections: dict[str, Any] = {}
    for stage, schema in SCHEMAS.items():
        try:
            sections[stage] = validate_section(content, stage, schema, params_file)
        except UserError as error:
            problems.append(str(error))
    if not problems:
        found = (*contradictions(sections), *unmet(data, sections), *too_large(data, sections))
        problems = [f"{params_file}: {line}" for line in found]
    problems += [*settings_refused(), *workspace_problems(data, WRITING)]
    if problems:
        raise UserError("\n".join(sorted(problems)))
    write_json(data / "check" / "ok.json", {"schema": "ok", **locked_versions(lock)})


def unmet(data: Path, sections: dict[str, Any]) -> Iterator[str]:
    """A line for each thing that params name and that is missing or damaged: device, nets to start from, weights.

    Whether the nets are those of the params, train_gan finds out.
    """
    yield from refusals(partial(find_device, sections["train_gan"].device))
    for path in initial_files(data, sections["train_gan"].init_from):
        yield from (f"train_gan.init_from: {line}" for line in refusals(partial(read_net, path)))
    if sections["evaluate"].protocol == "inception":
        yield from (f"evaluate.protocol: {line}" for line in refusals(load_inception))


def too_large(data: Path, sections: dict[str, Any]) -> Iterator[str]:
    """A line for each key that asks for more memory, disk or time than there is, by an estimate from below."""
    size, training, memory = sections["normalize"].size, sections["train_gan"], limits.memory_limit()
    num_images = {f"{stage}.num_images": sections[stage].num_images for stage in ("generate", "track")}
    generator, discriminator = net_costs(training, size)
    on_cpu = training.device == "cpu" or (training.device == "auto" and find_device("auto").type == "cpu")
    if generator and discriminator and on_cpu:
        yield from limits.net_problems(generator, discriminator, training.batch_size, training.shards, memory)
    else:
        num_images["train_gan.batch_size"] = training.batch_size
    for key, count in num_images.items():
        needed = limits.images_bytes(count, 1, size, size)
        yield from limits.refuse_above(key, count, needed, memory, "memory")
    state = generator.parameter_bytes if generator else 0
    length = (training.total_kimg, training.snapshot_kimg, training.batch_size)
    yield from limits.training_problems(*length, state, memory, limits.free_disk(data))


def net_costs(training: Any, size: int) -> list[limits.NetCost | None]:
    """What G and D of those params cost at least: for grey images of that size, of two classes if of any."""
    architecture = architectures.load(training.network)
    arguments = {
        "image_shape": [1, size, size],
        "num_classes": 2 if training.conditional else 0,
        "z_dim": training.z_dim,
        "width": training.width,
    }

    def latents() -> tuple[Tensor, Tensor]:
        return torch.zeros(2, training.z_dim), torch.zeros(2, dtype=torch.long)

    def images() -> tuple[Tensor, Tensor]:
        return torch.zeros(2, 1, size, size), torch.zeros(2, dtype=torch.long)

    return [
        limits.net_cost(partial(architecture.Generator, **arguments), latents),
        limits.net_cost(partial(architecture.Discriminator, **arguments), images),
    ]


def settings_refused() -> list[str]:
    """A line for each environment variable GAN_... that a later stage would refuse."""
    return [line for read in (processes, checkpoint_kimg, show_progress) for line in refusals(read)]


def refusals(attempt: Callable[[], object]) -> list[str]:
    """What the attempt is refused with, or nothing."""
    try:
        attempt()
    except UserError as error:
        return [str(error)]
    return []


def contradictions(sections: dict[str, Any]) -> Iterator[str]:
    """What no section shows by itself: a line for each key that asks for what another one does not give."""
    classes = DATASETS[sections["download"].dataset].classes
    kept: Any = sections["normalize"].classes
    kept = range(len(classes)) if kept == "all" else kept
    asked: Any = sections["generate"].classes
    asked = range(len(kept)) if asked == "all" else asked
    for key, labels, known in (("normalize", kept, classes), ("generate", asked, kept)):
        if unknown := [label for label in labels if label >= len(known)]:
            yield f"{key}.classes: expected labels 0 to {len(known) - 1}, found {', '.join(map(str, unknown))}"
    limit = sections["normalize"].limit
    for stage, images in (("train_classifier", limit), ("baseline", min(limit, sections["generate"].num_images))):
        if (found := sections[stage].batch_size) > images:
            yield f"{stage}.batch_size: expected at most the {images} images there are, found {found}"
    compared = min(sections["evaluate"].num_images, sections["generate"].num_images)
    for stage, images in (("evaluate", compared), ("track", sections["track"].num_images)):
        if (found := sections[stage].neighbours) >= images:
            yield f"{stage}.neighbours: expected less than the {images} images compared, found {found}"


def locked_versions(lock: Path) -> dict[str, str]:
    """The locked version of each library in DECIDE_BYTES. Raises UserError if the lock pins one not exactly once."""
    versions = {}
    for name in DECIDE_BYTES:
        found = re.findall(rf"^{name}==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
        if len(found) != 1:
            raise UserError(f"{lock}: expected one line {name}==..., found {len(found)}; `make lock` writes the lock")
        versions[name] = found[0]
    return versions


if __name__ == "__main__":
    with report_errors("check"):
        make_deterministic()
        run(PARAMS_FILE, LOCK, Path("data"))
