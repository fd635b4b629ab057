"""Train the GAN on the training digits, on whatever device there is, and keep the average of its generator."""

import hashlib
import math
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from tqdm import tqdm

from stages.common import draws, environment
from stages.common.blocks import in_blocks
from stages.common.errors import UserError
from stages.common.files import write_json, write_tensors, write_text
from stages.common.images import ImageSet, load_image_set, save_grid
from stages.common.initialise import initialise
from stages.common.params import StageParams, known_name
from stages.common.runtime import DEVICES, find_device, run_stage, show_progress
from stages.gan import architectures
from stages.gan.history import History
from stages.gan.losses import LOSSES
from stages.gan.trainer import NotFiniteError, Settings, Trainer

GRID_ROWS = 10


class Params(StageParams):
    """The section train_gan of params.yaml."""

    network: Annotated[str, known_name(architectures.names), Field(description="a module in stages/gan/networks")]
    loss: Annotated[str, known_name(lambda: LOSSES), Field(description="an entry of LOSSES in stages/gan/losses.py")]
    conditional: Annotated[bool, Field(description="whether G and D are told the class")]
    z_dim: Annotated[int, Field(ge=1, le=4096, description="entries of the latent z")]
    width: Annotated[int, Field(ge=1, le=1024, description="channels of G's last and D's first hidden layer")]
    batch_size: Annotated[int, Field(ge=1, description="real images a step")]
    shards: Annotated[int, Field(ge=1, le=64, description="fixed parts of a batch; normalisation sees one at a time")]
    total_kimg: Annotated[float, Field(gt=0, description="length of training, in thousands of real images shown to D")]
    lr_g: Annotated[float, Field(gt=0, le=1, description="Adam's learning rate for G")]
    lr_d: Annotated[float, Field(gt=0, le=1, description="Adam's learning rate for D")]
    betas: Annotated[
        list[Annotated[float, Field(ge=0, lt=1)]],
        Field(min_length=2, max_length=2, description="Adam's decay rates of the gradient's mean and square"),
    ]
    lr_decay: Annotated[float, Field(ge=0, le=1, description="last learning rate as a part of the first; linear")]
    r1_gamma: Annotated[float, Field(ge=0, description="weight of R1: gamma/2 times the squared gradient norm")]
    ema_halflife_kimg: Annotated[
        float, Field(ge=0, description="half-life of the average of G, in thousands of images")
    ]
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="of convolutions and matrix products")]
    history_steps: Annotated[int, Field(ge=1, description="steps averaged in one row of the history")]
    seed: Annotated[int, Field(ge=0, description="of weights, order and latents")]
    device: Annotated[
        str, known_name(lambda: DEVICES), Field(description="where to train; auto: a GPU if there is one")
    ]

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "Params":
        if self.batch_size % self.shards:
            raise ValueError(f"expected batch_size to be a multiple of shards ({self.shards})")
        return self

    @property
    def total_steps(self) -> int:
        """Steps that show at least total_kimg."""
        return math.ceil(self.total_kimg * 1000 / self.batch_size)


def run(params: Params, data: Path) -> None:
    """Read the training digits; write the generator, its history, grids of samples and the environment."""
    device = find_device(params.device)
    digits = load_image_set(data / "normalize" / "train.safetensors")
    folder = data / "train_gan"
    image_shape, num_classes = list(digits.images.shape[1:]), len(digits.classes)
    arguments = {
        "image_shape": image_shape,
        "num_classes": num_classes if params.conditional else 0,
        "z_dim": params.z_dim,
        "width": params.width,
    }
    trainer = build_trainer(params, arguments, digits, device)
    print(f"training on {device.type}: {params.total_steps} steps of {params.batch_size} images")
    save_grid(folder / "samples" / "real.png", _real_grid(digits), num_classes)
    history = History(params.history_steps, params.batch_size)
    try:
        _train(trainer, params, history, folder / "samples", num_classes)
    finally:
        write_text(folder / "history.csv", history.csv())
    path = folder / "generator.safetensors"
    meta = {"network": params.network, "arguments": arguments, "classes": digits.classes}
    write_tensors(path, trainer.ema.state_dict(), meta)
    described = environment.describe(device) | {"generator_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_json(folder / "environment.json", described)


def build_trainer(params: Params, arguments: dict[str, object], digits: ImageSet, device: torch.device) -> Trainer:
    """G, D and all that trains them, with the digits on the device."""
    architecture = architectures.load(params.network)
    nets: list[nn.Module] = [architecture.Generator(**arguments), architecture.Discriminator(**arguments)]
    for name, net in zip("GD", nets, strict=True):
        initialise(net, params.seed, f"train_gan.{name}")
        net.to(device).to(memory_format=torch.channels_last)
    settings = Settings(
        loss=params.loss,
        z_dim=params.z_dim,
        batch_size=params.batch_size,
        shards=params.shards,
        total_steps=params.total_steps,
        lr_g=params.lr_g,
        lr_d=params.lr_d,
        betas=(params.betas[0], params.betas[1]),
        lr_decay=params.lr_decay,
        r1_gamma=params.r1_gamma,
        ema_halflife_kimg=params.ema_halflife_kimg,
        precision=params.precision,
        seed=params.seed,
    )
    return Trainer(nets[0], nets[1], digits.images.to(device), digits.labels.to(device), settings)


def _train(trainer: Trainer, params: Params, history: History, samples: Path, num_classes: int) -> None:
    """All steps: a row of history every few, a grid of samples after every epoch and at the end."""
    total = params.total_steps * params.batch_size
    with tqdm(total=total, unit="img", unit_scale=True, desc="train_gan", disable=not show_progress()) as bar:
        for step in range(params.total_steps):
            try:
                history.add(step, trainer.step(step))
            except NotFiniteError as error:
                raise UserError(_diagnosis(error, step, params)) from None
            bar.update(params.batch_size)
            if (epoch := trainer.order.epochs_done(step + 1)) > trainer.order.epochs_done(step):
                save_grid(samples / f"epoch_{epoch:04}.png", _sample_grid(trainer, params, num_classes), num_classes)
    save_grid(samples / "final.png", _sample_grid(trainer, params, num_classes), num_classes)


def _sample_grid(trainer: Trainer, params: Params, num_classes: int) -> Tensor:
    """Samples of the averaged generator for ever the same z, a column a class: [GRID_ROWS * num_classes, C, H, W]."""
    n, device = GRID_ROWS * num_classes, trainer.images.device
    z = draws.normal_rows(params.seed, "train_gan.grid", range(n), params.z_dim).to(device)
    return in_blocks(trainer.ema, z, (torch.arange(n) % num_classes).to(device))


def _real_grid(digits: ImageSet) -> Tensor:
    """The first digits of each class in the layout of _sample_grid; blank where a class has too few."""
    grid = digits.images.new_full((GRID_ROWS, len(digits.classes), *digits.images.shape[1:]), -1)
    for y in range(len(digits.classes)):
        images = digits.images[digits.labels == y][:GRID_ROWS]
        grid[: len(images), y] = images
    return grid.flatten(0, 1)


def _diagnosis(error: NotFiniteError, step: int, params: Params) -> str:
    """One line: where training broke, and the likely cause."""
    where = f"{error} is not finite at step {step + 1} ({(step + 1) * params.batch_size / 1000:g} kimg)"
    if max(params.lr_g, params.lr_d) > 0.01:
        cause = f"the learning rate is likely too high (lr_g {params.lr_g:g}, lr_d {params.lr_d:g}); try 0.002"
    elif params.r1_gamma == 0:
        cause = "nothing bounds D's gradient; try train_gan.r1_gamma 1"
    else:
        cause = "try lower train_gan.lr_g and lr_d, or another train_gan.r1_gamma"
    return f"{where}: {cause}; the history up to there is in data/train_gan/history.csv"


if __name__ == "__main__":
    run_stage("train_gan", Params, run)
