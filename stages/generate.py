"""Draw samples from a stored generator, and pictures of what it can do.

Always on the CPU: the bytes depend on the generator, not on who has a GPU.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator

from stages.common import shards
from stages.common.errors import UserError
from stages.common.files import write_bytes
from stages.common.params import StageParams
from stages.common.runtime import run_stage
from stages.common.shown import listed
from stages.gan.initial import require_origin
from stages.generation.registry import PICTURES
from stages.generation.stream import Drawing, require_disk, write_samples
from stages.generation.subject import Subject, read_subject

CUTS = 0.01, 10.0
"""The least and the largest number at which a distribution of latents can end."""


def none_or_cut(value: Any) -> Any:
    """The word none, or a number of CUTS. Raises ValueError for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "none" and not (is_number and CUTS[0] <= value <= CUTS[1]):
        raise ValueError(f"expected none, or a number from {CUTS[0]:g} to {CUTS[1]:g}")
    return value


class Params(StageParams):
    """The section generate of params.yaml."""

    generator: Annotated[
        str,
        AfterValidator(require_origin),
        Field(description="whose generator: train_gan, of this run, or init/<name>, in data/init"),
    ]
    num_images: Annotated[int, Field(ge=1, description="samples to draw; image i is the same for any number")]
    classes: Annotated[
        Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)],
        Field(description="labels drawn round-robin, one per image; all: every class, balanced"),
    ]
    cut: Annotated[
        float | Literal["none"],
        PlainValidator(none_or_cut),
        Field(description="where the normal distribution of the latents ends on both sides; none: nowhere"),
    ]
    pull: Annotated[float, Field(ge=0, le=1, description="part of the way to the latent that is typical of the class")]
    pictured: Annotated[
        list[Annotated[int, Field(ge=0, lt=2**63)]],
        Field(min_length=2, max_length=50, description="numbers of the samples whose latents the pictures show"),
    ]
    seed: Annotated[int, Field(ge=0, description="of the latents")]


def run(params: Params, data: Path) -> None:
    """Read the generator; write samples as uint8 with their labels, and the pictures."""
    path, folder = data / params.generator / "generator.safetensors", data / "generate"
    whole = read_subject(path, params.seed)
    drawn = labels_to_draw(params.classes, whole.names_of(whole.labels) if whole.num_codes else whole.classes)
    cut = None if params.cut == "none" else params.cut
    subject = replace(whole, labels=drawn, numbers=params.pictured, cut=cut, pull=params.pull)
    require_disk(folder, params.num_images, subject.image_shape)
    pictures = {name: draw(subject) for name, draw in PICTURES.items()}
    drawing = Drawing(path, params.seed, tuple(drawn), cut, params.pull)
    files = write_samples(folder, params.num_images, drawing, subject)
    for name, png in pictures.items():
        write_bytes(folder / name, png)
    print(f"{params.num_images} samples{_of_what(whole, len(drawn))}")
    if files > 1:
        first = f"{shards.IMAGES_PER_FILE:,} samples"
        print(f"{files} files: evaluate looks at all of them, other stages at the first, {first}")


def labels_to_draw(labels_or_all: Literal["all"] | list[int], names: list[str]) -> list[int]:
    """The labels to draw round-robin, of those with these names. Raises UserError for one that there is not."""
    labels = list(range(len(names))) if labels_or_all == "all" else labels_or_all
    if unknown := [label for label in labels if label >= len(names)]:
        known = f"0 to {len(names) - 1} ({listed(names, most=10)})"
        raise UserError(f"generate.classes: expected labels {known}, found {listed([str(label) for label in unknown])}")
    return labels


def _of_what(subject: Subject, count: int) -> str:
    """What the labels of that many columns are, in words; nothing where the generator reads none."""
    if not subject.num_labels:
        return ""
    return f" of {count} {'codes' if subject.num_codes else 'classes'}"


if __name__ == "__main__":
    run_stage("generate", Params, run)
