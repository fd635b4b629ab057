"""Train the GAN on the training digits, on whatever device there is, and keep the average of its generator."""

import hashlib
import math
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from stages.common import runtime
from stages.common.errors import UserError
from stages.common.files import write_bytes, write_json, write_tensors, write_text
from stages.common.images import ImageSet, load_image_set
from stages.common.initialise import initialise
from stages.common.params import StageParams, known_name, load_params
from stages.gan import architectures, environment
from stages.gan import team as teams
from stages.gan.checkpoints import Checkpoints, run_key
from stages.gan.history import History
from stages.gan.initial import initial_files, load_net
from stages.gan.launch import ParentWatch, StopRequest, launch, processes_to_start
from stages.gan.loop import Training
from stages.gan.losses import LOSSES
from stages.gan.running import Runner
from stages.gan.team import Team
from stages.gan.trainer import NotFiniteError, Settings, Trainer

STAGE = "train_gan"


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
    init_from: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
            description="a folder in data/init with the nets to start from; or none",
        ),
    ]
    snapshot_kimg: Annotated[
        float, Field(gt=0, description="thousands of images between two kept states of G's average")
    ]
    seed: Annotated[int, Field(ge=0, description="of weights, order and latents")]
    device: Annotated[
        str, known_name(lambda: runtime.DEVICES), Field(description="where to train; auto: a GPU if there is one")
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


def run(params: Params, data: Path, team: Team | None = None) -> None:
    """Read the training digits; write both nets, the history, grids of samples and the environment.

    Every process of the team calls it; process 0 alone writes. A run that was stopped goes on from its checkpoint.
    """
    team = team or Team(params.shards)
    device = _device(params.device)
    inputs = [data / "normalize" / "train.safetensors", *initial_files(data, params.init_from)]
    digits = load_image_set(inputs[0])
    described = environment.describe(device)
    training = build_training(params, digits, device, team, inputs[1:])
    key = run_key(params.model_dump(), inputs, described)  # after the network's code is loaded, which is part of it
    team.check_same(key, device)
    folder, launched = data / STAGE, teams.was_launched()
    with Checkpoints(key) if team.rank == 0 else nullcontext() as checkpoints:
        runner = Runner(
            training,
            checkpoints,
            checkpoint_steps=max(1, round(runtime.checkpoint_kimg() * 1000 / params.batch_size)),
            watch=ParentWatch(must_watch=launched or "DVC_ROOT" in os.environ),
            stop=StopRequest(one_of_several=launched),
            publish=lambda: write_course(folder, training),
        )
        runner.resume()
        try:
            runner.train(STAGE, runtime.show_progress())
        except NotFiniteError as error:
            if checkpoints:
                write_text(folder / "history.csv", training.history.csv())
            raise UserError(_diagnosis(error, training.steps_done, params)) from None
        if checkpoints:
            write_outs(folder, training, described, runner.end_with_parent)
            checkpoints.remove()
        team.barrier()


def build_training(params: Params, digits: ImageSet, device: torch.device, team: Team, initial: list[Path]) -> Training:
    """Both nets, from draws or from the files of an earlier run, and all that trains them, on the device."""
    architecture = architectures.load(params.network)
    arguments = net_arguments(params, digits)
    nets: list[nn.Module] = [architecture.Generator(**arguments), architecture.Discriminator(**arguments)]
    for name, net in zip("GD", nets, strict=True):
        initialise(net, params.seed, f"train_gan.{name}")
    for path, net in zip(initial, nets, strict=False):
        load_net(path, net, params.network, arguments)
    for net in nets:
        net.to(device).to(memory_format=torch.channels_last)
    settings = Settings(
        loss=params.loss,
        z_dim=params.z_dim,
        batch_size=params.batch_size,
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
    trainer = Trainer(nets[0], nets[1], digits.images.to(device), digits.labels.to(device), settings, team)
    meta = {"network": params.network, "arguments": arguments, "classes": digits.classes}
    training = Training(trainer, meta, History(params.history_steps, params.batch_size), params.snapshot_kimg)
    training.draw_real(digits)
    return training


def net_arguments(params: Params, digits: ImageSet) -> dict[str, object]:
    """The arguments of G and D: the shape and the classes come from the digits."""
    return {
        "image_shape": list(digits.images.shape[1:]),
        "num_classes": len(digits.classes) if params.conditional else 0,
        "z_dim": params.z_dim,
        "width": params.width,
    }


def write_course(folder: Path, training: Training) -> None:
    """Write the history and the pictures up to now."""
    write_text(folder / "history.csv", training.history.csv())
    for name, png in training.pictures.items():
        write_bytes(folder / "samples" / name, png)


def write_outs(
    folder: Path, training: Training, described: dict[str, object], end_with_parent: Callable[[], None]
) -> None:
    """Everything the stage leaves behind; no further file once the parent is gone."""
    shutil.rmtree(folder / "samples", ignore_errors=True)
    write_course(folder, training)
    end_with_parent()
    write_tensors(folder / "generator.safetensors", training.trainer.ema.state_dict(), training.meta)
    end_with_parent()
    write_tensors(folder / "discriminator.safetensors", training.trainer.D.state_dict(), training.meta)
    end_with_parent()
    meta = training.meta | {"batch_size": training.trainer.settings.batch_size}
    write_tensors(folder / "snapshots.safetensors", training.snapshots, meta)
    end_with_parent()
    sha256 = hashlib.sha256((folder / "generator.safetensors").read_bytes()).hexdigest()
    write_json(folder / "environment.json", described | {"generator_sha256": sha256})
    end_with_parent()


def _device(name: str) -> torch.device:
    """The device of this process: where several share a machine with GPUs, each has its own."""
    device = runtime.find_device(name)
    several = device.type == "cuda" and teams.was_launched()
    return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if several else device


def main() -> None:
    """Train in this process if it is one of several, or alone; otherwise start those that share the parts."""
    beside_another = int(os.environ.get("LOCAL_RANK", "0")) > 0
    with runtime.report_errors(STAGE, quiet=beside_another):
        runtime.make_deterministic()
        params = load_params(STAGE, Params)
        device = runtime.find_device(params.device)
        if teams.was_launched():
            try:
                run(params, Path("data"), teams.join(params.shards, _device(params.device)))
            finally:
                teams.leave()
            return
        gpus = torch.cuda.device_count()
        count = processes_to_start(runtime.processes(), params.shards, device.type, gpus, params.total_kimg)
        if count == 1:
            run(params, Path("data"))
        else:
            launch("stages.train_gan", count)


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
    main()
