"""A GAN whose images are points in the plane, as a picture that moves: `python -m tools.ring` writes docs/ring.gif.

Eight Gaussians on a ring are learned by the trainer of the pipeline, with its losses and penalties, once as the default
run does it and once without the penalty at a high rate: there one sees what D knows and what G hears of it.
"""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from stages.common.files import write_bytes
from stages.common.initialise import initialise
from stages.common.params import read_params_file
from stages.common.runtime import make_deterministic, report_errors
from stages.evaluation.drawing import Axes, new_figure, pixels_of
from stages.gan.losses import LOSSES
from stages.gan.settings import Settings
from stages.gan.team import Team
from stages.gan.trainer import Trainer
from tools.failures import take_no_arguments

PICTURE = Path("docs/ring.gif")
MODES, DEVIATION = 8, 0.07
"""Centres on the unit circle, 0.77 apart."""
WIDTH, Z_DIM, BATCH, STEPS = 64, 8, 64, 400
COMMITTED = read_params_file(Path(__file__).parents[1] / "params.yaml")["train_gan"]
SETTINGS: dict[str, Any] = {key: COMMITTED[key] for key in Settings.model_fields} | {
    "penalties": {},
    "conditional": False,
    "z_dim": Z_DIM,
    "batch_size": BATCH,
    "shards": 1,
    "total_kimg": STEPS * BATCH / 1000,
    "lr_g": 0.005,
    "lr_d": 0.005,
    "betas": [0.0, 0.99],
    "ema_halflife_kimg": 2.0,
    "seed": 1,
}
SIDES: dict[str, dict[str, Any]] = {
    "with R1": {"penalties": {"r1": 0.1}},
    "without, at a high rate": {"lr_g": 0.1, "lr_d": 0.1, "betas": [0.5, 0.99], "seed": 3},
}
"""What the picture compares, by the titles of its halves: changes of SETTINGS."""
SHOWN_STEPS = (*range(0, 20, 2), *range(20, 100, 8), *range(100, STEPS + 1, 20))
"""After which steps there is a frame: more of the beginning, where more happens."""
EDGE, GRID = 1.7, 61
"""The plane is shown from -EDGE to EDGE; D is asked at GRID x GRID points of it."""
SHOWN_POINTS, SHOWN_ARROWS = 160, 24
PIXELS, LEGEND_PIXELS = 300, 22
FRAME_MS, LAST_MS = 220, 3000
LEVELS = (0.0, 0.02, 0.1, 0.25, 0.4, 0.46, 0.49, 0.51, 0.54, 0.6, 0.75, 0.9, 0.98, 1.0)
"""Bounds of the colours of D's probability, closer where it hesitates; few colours make a small file."""
COLOURS = 64
Pixels = npt.NDArray[np.uint8]


class Generator(nn.Module):
    """z to points [B, 2, 1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(Z_DIM, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2)
        )

    def forward(self, z: Tensor, _y: Tensor) -> Tensor:
        """z float32 [B, z_dim]; y is unread."""
        return self.body(z).view(-1, 2, 1, 1)


class Discriminator(nn.Module):
    """Points, or packs of them, to logits."""

    def __init__(self, packing: int) -> None:
        super().__init__()
        slope = 0.2
        self.body = nn.Sequential(
            nn.Linear(2 * packing, WIDTH),
            nn.LeakyReLU(slope),
            nn.Linear(WIDTH, WIDTH),
            nn.LeakyReLU(slope),
            nn.Linear(WIDTH, 1),
        )

    def forward(self, points: Tensor, _y: Tensor) -> Tensor:
        """points float32 [B, 2 * packing, 1, 1]; y is unread. Returns [B]."""
        return self.body(points.flatten(1)).squeeze(1)


def centres() -> Tensor:
    """The means of the Gaussians, [MODES, 2]."""
    angles = torch.arange(MODES) * 2 * math.pi / MODES
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def ring(n: int = 4096) -> Tensor:
    """Points [n, 2, 1, 1] of all modes alike."""
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    return (centres().repeat(n // MODES, 1) + DEVIATION * noise).view(n, 2, 1, 1)


def ring_trainer(**changes: Any) -> Trainer:
    """The pipeline's trainer on the ring, before its first step. changes: of SETTINGS."""
    d_steps = changes.get("d_steps", 1)
    settings = Settings.model_validate(SETTINGS | {"total_kimg": STEPS * d_steps * BATCH / 1000} | changes)
    G, D = Generator(), Discriminator(settings.packing)
    for name, net in zip("GD", (G, D), strict=True):
        initialise(net, settings.seed, name)
    points = ring()
    return Trainer(G, D, points, torch.zeros(len(points), dtype=torch.int64), settings, Team(1))


class Moment(NamedTuple):
    """What a frame shows of one training.

    probability: that D gives to *real*, over the plane, [GRID, GRID]; fake: samples of G, [SHOWN_POINTS, 2]; pull:
    where G's loss draws the first SHOWN_ARROWS of them, the negative gradient by the point.
    """

    probability: Tensor
    fake: Tensor
    pull: Tensor


def moment(trainer: Trainer) -> Moment:
    """The training as it is now, seen at the same latents every time."""
    axis = torch.linspace(-EDGE, EDGE, GRID)
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).view(-1, 2, 1, 1)
    z = torch.randn(SHOWN_POINTS, Z_DIM, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        probability = trainer.D(plane, _labels(plane)).sigmoid().view(GRID, GRID)
        fake = trainer.G(z, _labels(z))
    at = fake[:SHOWN_ARROWS].clone().requires_grad_()
    logits = trainer.D(at, _labels(at))
    loss = LOSSES[trainer.settings.loss].generator(logits, logits)
    pull = -torch.autograd.grad(loss.sum(), at)[0]
    return Moment(probability, fake.flatten(1), pull.flatten(1))


def _labels(like: Tensor) -> Tensor:
    return torch.zeros(len(like), dtype=torch.int64)


def moments(shown: tuple[int, ...], **changes: Any) -> Iterator[Moment]:
    """The training after each of those numbers of steps, in rising order."""
    trainer, done = ring_trainer(**changes), 0
    for step in shown:
        for number in range(done, step):
            trainer.step(number)
        done = step
        yield moment(trainer)


def frame(step: int, halves: dict[str, Moment]) -> Pixels:
    """One frame, [H, W, 3]: the halves side by side below their titles."""
    figure = new_figure(PIXELS * len(halves), PIXELS + 2 * LEGEND_PIXELS, in_pixels=True)
    for axes, (title, shown) in zip(np.atleast_1d(figure.subplots(1, len(halves))), halves.items(), strict=True):
        _draw(axes, shown)
        axes.set_title(title, fontsize=10)
    figure.suptitle(f"after {step} steps", fontsize=10)
    figure.supxlabel(
        "red: D says real, blue: generated; black: real points; white: G's; arrows: where D sends them", fontsize=8
    )
    return pixels_of(figure)


def _draw(axes: Axes, shown: Moment) -> None:
    axis = np.linspace(-EDGE, EDGE, GRID)
    # Ranks of the bounds in their place: all colours are told apart.
    ranks = np.interp(shown.probability.numpy(), LEVELS, np.arange(len(LEVELS)))
    axes.contourf(axis, axis, ranks, levels=np.arange(len(LEVELS)), cmap="coolwarm", antialiased=False)
    real, fake = ring(SHOWN_POINTS).flatten(1).numpy(), shown.fake.numpy()
    axes.plot(real[:, 0], real[:, 1], ".", color="black", markersize=2)
    axes.plot(fake[:, 0], fake[:, 1], "o", color="white", markersize=3.5, markeredgecolor="black", markeredgewidth=0.4)
    ends, pull = fake[:SHOWN_ARROWS], shown.pull
    # Of one length on average, so that directions can be seen however flat D is.
    lengths = pull.norm(dim=1).mean().clamp_min(1e-12)
    arrows = (0.3 * pull / lengths).numpy()
    options: dict[str, Any] = {
        "scale": 1,
        "scale_units": "xy",
        "angles": "xy",
        "width": 0.009,
        "edgecolor": "black",
        "linewidth": 0.4,
    }
    axes.quiver(ends[:, 0], ends[:, 1], arrows[:, 0], arrows[:, 1], color="gold", **options)
    axes.set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xticks=[], yticks=[], aspect="equal")


def animation(shown: tuple[int, ...] = SHOWN_STEPS, sides: dict[str, dict[str, Any]] | None = None) -> bytes:
    """The GIF. shown: the steps; sides: as SIDES, which is the default."""
    sides = SIDES if sides is None else sides
    runs = [moments(shown, **changes) for changes in sides.values()]
    frames = [frame(step, dict(zip(sides, each, strict=True))) for step, *each in zip(shown, *runs, strict=True)]
    # One set of colours for all frames, or they would flicker.
    palette = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 6)]))
    colours = palette.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    pictures = [Image.fromarray(each).quantize(palette=colours, dither=Image.Dither.NONE) for each in frames]
    content = io.BytesIO()
    durations = [FRAME_MS] * (len(pictures) - 1) + [LAST_MS]
    pictures[0].save(
        content, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
    )
    return content.getvalue()


def main() -> None:
    """Write the picture."""
    take_no_arguments("tools.ring", __doc__)
    with report_errors("ring"):
        make_deterministic()
        write_bytes(PICTURE, animation())


if __name__ == "__main__":
    main()
