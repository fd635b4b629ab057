"""Train the GAN on the training digits, on the device at hand, and keep the average of its generator."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, model_validator

from stages.common import runtime
from stages.common.errors import UserError
from stages.common.failures import failure_of
from stages.common.files import write_json, write_tensors
from stages.common.images import ImageSet, load_alike
from stages.common.labelled import require_every_class
from stages.common.params import ContradictionError, StageParams, known_name, read_params_file, validate_section
from stages.common.unchanged import Unchanged
from stages.gan import architectures, auxiliaries, devices, environment
from stages.gan import team as teams
from stages.gan.checkpoints import Checkpoints, run_key
from stages.gan.contradictions import contradictions
from stages.gan.finite import NotFiniteError
from stages.gan.graph import static_step
from stages.gan.host import Host
from stages.gan.images_shown import IMAGES_PER_STEP
from stages.gan.initial import initial_files, load_net
from stages.gan.launch import ParentWatch, StopRequest, launch, processes_to_start
from stages.gan.layout import image_layout
from stages.gan.loop import Loop
from stages.gan.published import Published, write_history
from stages.gan.settings import Settings
from stages.gan.signs import GoneWrongError
from stages.gan.team import Team
from stages.gan.trainer import Trainer

STAGE = "train_gan"
CAUSES = "TRAIN_GAN_CAUSES"
"""The variable by which the process that starts the others says what the run depends on."""
LESS_MEMORY = "set less train_gan.batch_size, more train_gan.shards, or smaller options of the network"


class Params(Settings):
    """The section train_gan of params.yaml: the settings of the training, and what this stage alone needs."""

    network: Annotated[str, known_name(architectures.names), Field(description="a module in stages/gan/networks")]
    init_from: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
            description="a folder in data/init with the networks to start from; or none",
        ),
    ]
    device: Annotated[
        str, known_name(lambda: devices.NAMES), Field(description="where to train; auto: a GPU if there is one")
    ]

    @model_validator(mode="after")
    def _choices_go_together(self) -> "Params":
        if lines := list(contradictions(self)):
            raise ContradictionError(lines)
        return self


def read_settings() -> tuple[Params, StageParams]:
    """The section train_gan of params.yaml, and the options of its network."""
    content = read_params_file()
    params = validate_section(content, STAGE, Params)
    return params, architectures.read_options(content, params.network)


def run(
    params: Params,
    options: StageParams,
    data: Path,
    team: Team | None = None,
    confirm: Callable[[], None] = lambda: None,
    device: torch.device | None = None,
) -> None:
    """Read the training digits; write both networks, the history, grids of samples and the environment.

    options: of the network. Every process of the team calls it; process 0 alone writes. A run that was stopped
    continues from its checkpoint. confirm: raises UserError if the run's causes have changed, which keeps it.
    device: where to train, if that is chosen already.
    """
    team = team or Team(params.shards)
    device = device or devices.choose(params.device).device()
    if device.type == "cuda":
        torch.cuda.set_device(device)  # of which streams and pinned memory are
    real = [data / "normalize" / f"{name}.safetensors" for name in ("train", "validation")]
    initial = initial_files(data, params.init_from)
    digits, held_out = load_alike(*real)
    if params.conditional:
        require_every_class(real[0], digits)
    described = environment.describe(device)
    loop = build_loop(params, options, digits, device, team, initial, held_out)
    # After the network's code is loaded, which is part of the key.
    key = run_key(params.model_dump() | {"options": options.model_dump()}, [*real, *initial], described)
    team.check_same(key, device)
    folder = data / STAGE
    with Checkpoints(key) if team.rank == 0 else nullcontext() as checkpoints:
        host = new_host(checkpoints, params, folder)
        loop.resume(host)
        with _diagnosed(loop, folder), _checkpoint_named(checkpoints):
            loop.run(host, STAGE)
        if checkpoints:
            write_outs(folder, loop, described, host.end_with_parent)
            confirm()
            loop.journal.close()
            checkpoints.remove()
        team.barrier()


def new_host(checkpoints: Checkpoints | None, params: Params, folder: Path) -> Host:
    """This process as the loop's host, which from now on notes requests to stop; checkpoints: in process 0 alone."""
    launched = teams.was_launched()
    return Host(
        checkpoints,
        checkpoint_steps=params.steps_near(runtime.checkpoint_kimg()),
        watch=ParentWatch(must_watch=launched or "DVC_ROOT" in os.environ),
        stop=StopRequest(one_of_several=launched),
        publish=Published(folder).update,
    )


def build_loop(
    params: Params,
    options: StageParams,
    digits: ImageSet,
    device: torch.device,
    team: Team,
    initial: list[Path],
    held_out: ImageSet | None = None,
) -> Loop:
    """Both networks, from draws or from the files of an earlier run, and all that trains them, on the device.

    held_out: images to see whether D learns its own by heart; the networks are not trained on them.
    """
    architectures.require_separate_images(params.network, options, params.penalty_weights)
    auxiliary = auxiliaries.load(params.auxiliary)(params, len(digits.classes))
    arguments = architectures.net_arguments(digits.image_shape, auxiliary.g_classes, params.z_dim, options)
    of_d = architectures.d_arguments(arguments, params.packing, auxiliary.d_classes)
    players = architectures.build_players(params.network, arguments, params.seed, of_d)
    with architectures.refused_options(params.network):
        auxiliary.attach(players[1], params.seed)
    for path, net, own in zip(initial, players, (arguments, of_d), strict=False):
        load_net(path, net, params.network, own)
    G, D = (net.to(device).to(memory_format=image_layout(device)) for net in players)
    trainer = Trainer(G, D, digits.images.to(device), digits.labels, params, team, auxiliary)
    meta: dict[str, Any] = {"network": params.network, "arguments": arguments, "classes": digits.classes}
    if auxiliary.draws_labels:
        meta[architectures.CODES] = True
    loop = Loop.start(trainer, meta, digits, held_out)
    loop.stepper = static_step(trainer, runtime.cuda_graph())
    return loop


def write_outs(folder: Path, loop: Loop, described: dict[str, object], end_with_parent: Callable[[], None]) -> None:
    """Write all results; no further file once the parent is gone."""
    shutil.rmtree(folder / "samples", ignore_errors=True)
    Published(folder).update(loop)
    end_with_parent()
    write_tensors(folder / "generator.safetensors", loop.trainer.ema.state_dict(), loop.meta | loop.remarks())
    end_with_parent()
    trainer = loop.trainer
    of_d = architectures.d_arguments(loop.meta["arguments"], trainer.settings.packing, trainer.auxiliary.d_classes)
    write_tensors(folder / "discriminator.safetensors", loop.trainer.D.state_dict(), loop.meta | {"arguments": of_d})
    end_with_parent()
    meta = loop.meta | {IMAGES_PER_STEP: loop.trainer.settings.images_per_step}
    loop.write_snapshots(folder / "snapshots.safetensors", meta)
    end_with_parent()
    sha256 = hashlib.sha256((folder / "generator.safetensors").read_bytes()).hexdigest()
    write_json(folder / "environment.json", described | {"generator_sha256": sha256})
    end_with_parent()


def main() -> None:
    """Train in this process if it is a worker or alone; otherwise start the workers."""
    beside_another = teams.was_launched() and os.environ["LOCAL_RANK"] != "0"
    with runtime.report_errors(STAGE, quiet=beside_another, less_memory=LESS_MEMORY):
        unchanged = Unchanged(STAGE)
        runtime.make_deterministic()
        params, options = read_settings()
        if teams.was_launched():
            if os.environ.get(CAUSES, unchanged.digest) != unchanged.digest:
                raise UserError(
                    "params, code or inputs changed while its processes were started; run `dvc repro` again"
                )
            try:
                device = devices.choose_as_launched(params.device, teams.launcher_number("LOCAL_RANK"))
                team = teams.join(params.shards, device)
                run(params, options, Path("data"), team, unchanged.confirm, device)
            finally:
                teams.leave()
            return
        choice = devices.choose(params.device)
        gpus = len(choice.numbers)
        count = processes_to_start(runtime.processes(), params.shards, choice.kind, gpus, params.total_kimg)
        if count == 1:
            run(params, options, Path("data"), confirm=unchanged.confirm, device=choice.device())
        else:
            devices.pass_on(choice)
            os.environ[CAUSES] = unchanged.digest
            launch("stages.train_gan", count)
            unchanged.confirm()  # as the workers did before all of them had ended


@contextmanager
def _checkpoint_named(checkpoints: Checkpoints | None) -> Iterator[None]:
    """Where the machine fails, add to the error which checkpoint is kept."""
    try:
        yield
    except Exception as error:
        if checkpoints and failure_of(error):
            newest = max(checkpoints.folder.glob("step_*.checkpoint"), default=None)
            kept = f"{newest} is kept, from which a run of the same params resumes" if newest else "there is none yet"
            error.add_note(f"of checkpoints, {kept}")
        raise


@contextmanager
def _diagnosed(loop: Loop, folder: Path) -> Iterator[None]:
    """Raises UserError for what ends a training before its time; process 0 writes the history up to there."""
    try:
        yield
    except NotFiniteError as error:
        if loop.trainer.team.rank == 0:
            write_history(folder / "history.csv", loop)
        step = loop.steps_done if error.step is None else error.step
        raise UserError(_diagnosis(error, step, loop.trainer.settings)) from None
    except GoneWrongError as error:
        if loop.trainer.team.rank == 0:
            Published(folder).update(loop)
        raise UserError(f"train_gan.on_collapse is stop: {error}; what was seen is in {folder}/monitor.csv") from None


def _diagnosis(error: NotFiniteError, step: int, params: Settings) -> str:
    """One line: where training broke, and the likely cause."""
    where = f"{error} is not finite at step {step + 1} ({params.kimg_shown(step + 1):g} kimg)"
    if max(params.lr_g, params.lr_d) > 0.01:
        cause = f"the learning rate is likely too high (lr_g {params.lr_g:g}, lr_d {params.lr_d:g}); try 0.002"
    elif not params.clip_weights and not any(term.weight for term in params.penalties.values()):
        remedy = "clip_weights 0.1" if params.packing > 1 else "penalties.r1 1"
        cause = f"nothing bounds D's gradient; try train_gan.{remedy}"
    else:
        cause = "try lower train_gan.lr_g and lr_d, or other weights in train_gan.penalties"
    return f"{where}: {cause}; the history up to there is in data/train_gan/history.csv"


if __name__ == "__main__":
    main()
