"""Draw samples from the averaged generator, and three pictures of what it can do.

Always on the CPU: the bytes depend on the generator, not on who has a GPU.
"""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import read_tensors, write_bytes
from stages.common.images import NO_LABEL, grid_png, save_image_set, to_levels
from stages.common.params import StageParams
from stages.common.runtime import run_stage
from stages.common.shown import listed
from stages.gan.pictures import columns
from stages.gan.sampler import Sampler, sampler_from

GRID_ROWS = 10
INTERPOLATION_STEPS = 10
PARALLEL = 1e-6
"""Sines below this are of float32 cosines of exactly 1 or -1."""


class Params(StageParams):
    """The section generate of params.yaml."""

    num_images: Annotated[int, Field(ge=1, description="samples to draw; image i is the same for any number")]
    classes: Annotated[
        Literal["all"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)],
        Field(description="labels drawn round-robin, one per image; all: every class, balanced"),
    ]
    seed: Annotated[int, Field(ge=0, description="of the latents")]


def run(params: Params, data: Path) -> None:
    """Read the generator; write samples as uint8 with their labels, and the three pictures."""
    path = data / "train_gan" / "generator.safetensors"
    tensors, meta = read_tensors(path)
    sampler, classes = sampler_from(tensors, meta, params.seed, str(path)), meta["classes"]
    drawn = labels_to_draw(params.classes, classes)
    y = drawn[torch.arange(params.num_images) % len(drawn)]
    images = sampler.images(sampler.latents("z", params.num_images), y)
    pictures = {
        "samples.png": grid_png(images[: GRID_ROWS * columns(len(drawn))], columns(len(drawn))),
        "interpolations.png": grid_png(interpolations(sampler, drawn), INTERPOLATION_STEPS),
        "classes.png": grid_png(classes_of_one_z(sampler, columns(len(classes))), columns(len(classes))),
    }
    labels = y if sampler.num_classes else torch.full_like(y, NO_LABEL)
    folder = data / "generate"
    save_image_set(folder / "samples.safetensors", to_levels(images), labels, classes)
    for name, png in pictures.items():
        write_bytes(folder / name, png)
    print(f"{params.num_images} samples of {len(drawn)} classes")


def labels_to_draw(labels_or_all: Literal["all"] | list[int], classes: list[str]) -> Tensor:
    """The labels to draw round-robin, int64. Raises UserError for one that the generator does not know."""
    labels = list(range(len(classes))) if labels_or_all == "all" else labels_or_all
    if unknown := [label for label in labels if label >= len(classes)]:
        known = f"0 to {len(classes) - 1} ({listed(classes, most=10)})"
        raise UserError(f"generate.classes: expected labels {known}, found {listed([str(label) for label in unknown])}")
    return torch.tensor(labels)


def interpolations(sampler: Sampler, labels: Tensor) -> Tensor:
    """A row for each of GRID_ROWS pairs of latents, one class a row: from one latent to the other on the great circle.

    Gaussian latents lie near a sphere; a straight line would cut through its empty inside (White 2016).
    Returns images [GRID_ROWS * INTERPOLATION_STEPS, C, H, W].
    """
    ends = sampler.latents("interpolations", 2 * GRID_ROWS).view(GRID_ROWS, 2, 1, sampler.z_dim)
    t = torch.linspace(0, 1, INTERPOLATION_STEPS).view(1, -1, 1)
    y = labels[torch.arange(GRID_ROWS) % len(labels)].repeat_interleave(INTERPOLATION_STEPS)
    return sampler.images(slerp(ends[:, 0], ends[:, 1], t).flatten(0, 1), y)


def slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985) along the last dimension: start at t = 0, end at t = 1.

    start, end: broadcastable [..., N]; t: broadcastable [..., 1] in [0, 1]. Parallel vectors, as all are where N is 1,
    lie on no one great circle: between them the way is straight.
    """
    cosine = nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1).unsqueeze(-1)
    angle = cosine.acos()
    weights = torch.sin((1 - t) * angle), torch.sin(t * angle)
    on_the_circle = (weights[0] * start + weights[1] * end) / torch.sin(angle)
    return torch.where(torch.sin(angle).abs() < PARALLEL, (1 - t) * start + t * end, on_the_circle)


def classes_of_one_z(sampler: Sampler, num_classes: int) -> Tensor:
    """A row for each of GRID_ROWS latents, a column for each class: [GRID_ROWS * num_classes, C, H, W]."""
    z = sampler.latents("classes", GRID_ROWS).repeat_interleave(num_classes, dim=0)
    return sampler.images(z, torch.arange(num_classes).repeat(GRID_ROWS))


if __name__ == "__main__":
    run_stage("generate", Params, run)
