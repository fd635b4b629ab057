"""Refuse a bad params.yaml before DVC deletes or runs anything else, and name the versions that decide bytes.

Every other stage depends on the file that this stage writes. A changed parameter leaves that file as it was, so that
nothing else reruns; an upgrade of a library that decides bytes changes it, so that everything computed from it reruns.
"""

import importlib.metadata
import math
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stages import (
    baseline,
    download,
    evaluate,
    generate,
    inspect,
    normalize,
    report,
    track,
    train_classifier,
    train_gan,
    two_sample,
)
from stages.checking.counts import most_images, too_many
from stages.checking.earlier_nets import Digits, digits_to_come, require_network, require_start
from stages.checking.refusals import refusals
from stages.checking.sizes import too_large
from stages.checking.workspace import workspace_problems
from stages.common.class_names import MOST_CLASSES
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.common.params import PARAMS_FILE, StageParams, read_params_file, validate_section
from stages.common.runtime import (
    checkpoint_kimg,
    cuda_graph,
    make_deterministic,
    processes,
    report_errors,
    show_progress,
)
from stages.common.shown import listed, plain
from stages.common.unchanged import Unchanged
from stages.datasets.registry import OWN_IMAGES, Dataset
from stages.evaluation.inception import load_inception
from stages.evaluation.registry import STACKS
from stages.gan import architectures, auxiliaries, devices
from stages.gan.initial import OWN_RUN, initial_files

SCHEMAS: dict[str, type[StageParams]] = {
    "download": download.Params,
    "normalize": normalize.Params,
    "train_classifier": train_classifier.Params,
    "train_gan": train_gan.Params,
    "generate": generate.Params,
    "inspect": inspect.Params,
    "track": track.Params,
    "evaluate": evaluate.Params,
    "baseline": baseline.Params,
    "two_sample": two_sample.Params,
    "report": report.Params,
}
"""The stages, each of which writes a folder under data/."""
LOCK = Path("requirements.txt")
DECIDE_BYTES = ("numpy", "torch")


def run(params_file: Path, lock: Path, data: Path) -> None:
    """Check all of params.yaml, that what it names is there, and the GAN_... settings; write data/check/ok.json.

    Raises UserError that lists every wrong key of every section.
    """
    content = read_params_file(params_file)
    known = [*SCHEMAS, architectures.SECTION]
    problems = [
        f"{params_file}: {plain(name)}: unknown section; expected {', '.join(known)}"
        for name in content
        if name not in known
    ]
    sections: dict[str, Any] = {}
    for stage, schema in SCHEMAS.items():
        try:
            sections[stage] = validate_section(content, stage, schema, params_file)
        except UserError as error:
            problems.append(str(error))
    problems += refused_options(content, params_file)
    if not problems:
        problems = [f"{params_file}: {line}" for line in unworkable(content, sections, params_file, data)]
    problems += [*settings_refused(), *workspace_problems(data)]
    if problems:
        raise UserError("\n".join(sorted(problems)))
    locked = locked_versions(lock)
    for line in other_versions(locked, lock):
        print(line, file=sys.stderr, flush=True)
    write_json(data / "check" / "ok.json", {"schema": "ok", **locked})


def refused_options(content: dict[str, Any], params_file: Path) -> list[str]:
    """A line for each wrong key of the options of networks; the network that is trained must have some."""
    names, options = architectures.names(), content.get(architectures.SECTION)
    described = list(options) if isinstance(options, dict) else []
    unknown = [name for name in described if name not in names]
    problems = [
        f"{params_file}: {architectures.SECTION}.{plain(name)}: unknown network; expected {', '.join(names)}"
        for name in unknown
    ]
    section = content.get("train_gan")
    chosen = section.get("network") if isinstance(section, dict) else None
    for name in (name for name in names if name == chosen or name in described):
        problems += refusals(partial(architectures.read_options, content, name, params_file))
    return problems


def unworkable(content: dict[str, Any], sections: dict[str, Any], params_file: Path, data: Path) -> Iterator[str]:
    """A line for each key whose valid value cannot work beside the others, with these files, or on this machine."""
    # Of a user's own images, the folders are listed for each of these: once is enough.
    dataset = dataset_of(data, sections)
    digits = digits_of(dataset, sections["normalize"]) if dataset else None
    yield from contradictions(data, sections, dataset, digits)
    choices: list[devices.Choice] = []
    yield from refusals(lambda: choices.append(devices.choose(sections["train_gan"].device)))
    on_cpu = any(choice.kind == "cpu" for choice in choices)
    options = architectures.read_options(content, sections["train_gan"].network, params_file)
    yield from unmet(data, sections, options, digits)
    training = sections["train_gan"]
    penalised = partial(architectures.require_separate_images, training.network, options, training.penalty_weights)
    yield from refusals(penalised)
    yield from too_large(data, sections, options, on_cpu)


def unmet(data: Path, sections: dict[str, Any], options: StageParams, digits: Digits | None) -> Iterator[str]:
    """A line for each missing, damaged or unfit thing that params name: networks to start or to draw from, weights."""
    network = sections["train_gan"].network
    arguments = arguments_of(sections, options, digits) if digits else None
    head = auxiliary_of(sections, digits).head if digits else None
    for path in initial_files(data, sections["train_gan"].init_from):
        expected = arguments and arguments[path.stem]
        yield from (
            f"train_gan.init_from: {line}" for line in refusals(partial(require_start, path, network, expected, head))
        )
    for key, path in read_files(data, sections):
        yield from (f"{key}: {line}" for line in refusals(partial(require_network, path, network, digits)))
    if sections["evaluate"].protocol == "inception":
        yield from (f"evaluate.protocol: {line}" for line in refusals(load_inception))


def arguments_of(sections: dict[str, Any], options: StageParams, digits: Digits) -> dict[str, dict[str, Any]]:
    """What G and D are built with, by the names of their files; without the images' shape where it is not known yet."""
    training, made = sections["train_gan"], sections["normalize"]
    auxiliary = auxiliary_of(sections, digits)
    image_shape = [made.stack, made.size, made.size]
    of_g = architectures.net_arguments(image_shape, auxiliary.g_classes, training.z_dim, options)
    both = {
        "generator": of_g,
        "discriminator": architectures.d_arguments(of_g, training.packing, auxiliary.d_classes),
    }
    if sections["download"].dataset != OWN_IMAGES:
        return both
    return {net: {key: value for key, value in of.items() if key != "image_shape"} for net, of in both.items()}


def auxiliary_of(sections: dict[str, Any], digits: Digits) -> auxiliaries.Objective:
    """The auxiliary objective of the training."""
    training = sections["train_gan"]
    return auxiliaries.load(training.auxiliary)(training, len(digits.classes))


def read_files(data: Path, sections: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """The files of networks of earlier runs that stages only read, after the keys that name them."""
    drawn, inspected = sections["generate"].generator, sections["inspect"].nets
    for key, origin, nets in (
        ("generate.generator", drawn, ["generator"]),
        ("inspect.nets", inspected, ["generator", "discriminator"]),
    ):
        yield from ((key, data / origin / f"{net}.safetensors") for net in nets if origin != OWN_RUN)


def dataset_of(data: Path, sections: dict[str, Any]) -> Dataset | None:
    """The dataset that params name; None if it is a folder that is none, which unknown_labels tells."""
    try:
        return download.chosen(sections["download"], data)
    except UserError:
        return None


def digits_of(dataset: Dataset, made: normalize.Params) -> Digits | None:
    """The digits that this run will have; None if it cannot make them, which contradictions tell."""
    kept = range(len(dataset.classes)) if made.classes == "all" else made.classes
    return digits_to_come(dataset.classes, kept, made.stack, made.size)


def settings_refused() -> list[str]:
    """A line for each environment variable GAN_... that a later stage would refuse."""
    return [line for read in (processes, checkpoint_kimg, cuda_graph, show_progress) for line in refusals(read)]


def contradictions(
    data: Path, sections: dict[str, Any], dataset: Dataset | None, digits: Digits | None
) -> Iterator[str]:
    """A line for each key that needs more than a key of another section, or the dataset, provides."""
    yield from unknown_labels(data, sections)
    normalized = sections["normalize"]
    if normalized.stack == 1 and (named := [name for name in sections["evaluate"].metrics if name in STACKS]):
        yield f"evaluate.metrics: expected normalize.stack above 1 for {listed(named)}, found 1"
    if digits and len(digits.classes) == 1:
        yield "normalize.classes: expected at least two: what the metrics compare is learned by telling classes apart"
    elif digits and normalized.stack > 1 and sections["train_gan"].conditional:
        yield from missing_modes(len(digits.classes), normalized.num_stacks)
    yield from too_many(sections, most_images(dataset, normalized), len(digits.classes) if digits else 1)


def missing_modes(num_modes: int, num_stacks: int) -> Iterator[str]:
    """A line if stacks drawn at random leave some mode without a training image, more likely than not."""
    if num_modes * math.exp(-num_stacks / num_modes) > 0.5:
        needed = math.ceil(num_modes * math.log(2 * num_modes))
        yield (
            f"normalize.num_stacks: {num_stacks} leave some of the {num_modes} modes without an image; expected at "
            f"least {needed}, or train_gan.conditional false"
        )


def unknown_labels(data: Path, sections: dict[str, Any]) -> Iterator[str]:
    """A line for each key that names labels that the dataset, or what normalize keeps of it, does not have."""
    try:
        classes = download.chosen(sections["download"], data).classes
    except UserError as error:
        yield f"download.folder: {error}"
        return
    kept: Any = sections["normalize"].classes
    kept = range(len(classes)) if kept == "all" else kept
    made = range(len(kept) ** sections["normalize"].stack)
    drawn: Any = sections["generate"].classes
    drawn = made if drawn == "all" else drawn
    if sections["generate"].generator != OWN_RUN:
        drawn = []  # of the classes of another run: unmet compares them with the dataset's
    if len(made) > MOST_CLASSES:
        yield f"normalize.stack: expected at most {MOST_CLASSES} modes, found {len(made)}; see normalize.classes"
    for key, labels, known in (("normalize", kept, classes), ("generate", drawn, made)):
        if unknown := [str(label) for label in labels if label >= len(known)]:
            yield f"{key}.classes: expected labels 0 to {len(known) - 1}, found {listed(unknown)}"


def locked_versions(lock: Path) -> dict[str, str]:
    """The locked version of each library in DECIDE_BYTES. Raises UserError if the lock pins one not exactly once."""
    versions = {}
    for name in DECIDE_BYTES:
        pins = re.findall(rf"^{name}==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
        if len(pins) != 1:
            raise UserError(f"{lock}: expected one line {name}==..., found {len(pins)}; `make lock` writes the lock")
        versions[name] = pins[0]
    return versions


def other_versions(locked: dict[str, str], lock: Path) -> Iterator[str]:
    """A line for each of these libraries of which another version is installed; builds such as +cpu are the same."""
    for name, pinned in locked.items():
        if (installed := importlib.metadata.version(name).partition("+")[0]) != pinned:
            yield (
                f"check: {name} {installed} is installed and {lock} has {pinned}: other bytes may come out; `make "
                ".venv/locked` installs what is locked"
            )


if __name__ == "__main__":
    with report_errors("check"):
        unchanged = Unchanged("check")
        make_deterministic()
        run(PARAMS_FILE, LOCK, Path("data"))
        unchanged.confirm()
