"""The algorithm: one step of D and one of G, a batch at a time, in fixed parts.

Each part of a batch goes forward and backward by itself (normalisation layers see one part at a time); gradients,
running statistics and logged figures of the parts are averaged by one fixed tree, so that who computes which part
changes no bit. Every draw is a function of seed, purpose and step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stages.common import draws
from stages.gan.ema import ema_decay, frozen_copy, update_ema
from stages.gan.losses import LOSSES, gradient_penalty
from stages.gan.parts import flatten, unflatten
from stages.gan.team import Team

FIGURES_D = ("d_loss", "real_logits", "fake_logits", "penalty")
FIGURES_G = ("g_loss",)
FIGURES = (*FIGURES_D, "d_grad_norm", *FIGURES_G, "g_grad_norm")
"""What a step reports, in this order: means over the batch, and norms of the two gradients."""


class NotFiniteError(ArithmeticError):
    """A loss, gradient or weight is no longer a finite number."""


@dataclass(frozen=True)
class Settings:
    """The choices that decide a training; params.yaml tells what each means."""

    loss: str
    z_dim: int
    batch_size: int
    total_steps: int
    lr_g: float
    lr_d: float
    betas: tuple[float, float]
    lr_decay: float
    r1_gamma: float
    ema_halflife_kimg: float
    precision: str
    seed: int


class Trainer:
    """G, D, their optimisers, the average of G, and the step that updates them all.

    images: float32 [N, C, H, W] in [-1, 1]; labels: int64 [N]; all on the device of G and D.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        images: Tensor,
        labels: Tensor,
        settings: Settings,
        team: Team,
    ) -> None:
        self.G, self.D, self.images, self.labels = generator, discriminator, images, labels
        self.settings, self.team = settings, team
        self.ema = frozen_copy(generator)
        self.opt_g = torch.optim.Adam(generator.parameters(), settings.lr_g, settings.betas)
        self.opt_d = torch.optim.Adam(discriminator.parameters(), settings.lr_d, settings.betas)
        self.order = draws.BatchOrder(settings.seed, "train_gan.order", len(images), settings.batch_size)
        self.loss = LOSSES[settings.loss]

    def step(self, step: int) -> Tensor:
        """Train on the batch of that step (0 is the first). Returns FIGURES as float32 [7], on the device.

        Raises NotFiniteError, with the weights as they were before the update, if a gradient or figure is not finite.
        """
        self._set_learning_rates(step)
        rows = self.order.rows(step).to(self.images.device)
        real_images, y = self.images[rows], self.labels[rows]
        d_parts = zip(self._mine(real_images), self._mine(y), self._latents("d", step), strict=True)
        d_figures = self._update(self.D, self.opt_d, [self._d_part(*part) for part in d_parts], FIGURES_D)
        g_parts = zip(self._mine(y), self._latents("g", step), strict=True)
        g_figures = self._update(self.G, self.opt_g, [self._g_part(*part) for part in g_parts], FIGURES_G)
        update_ema(self.ema, self.G, self._ema_decay(step))
        return torch.cat([d_figures, g_figures])

    def _d_part(self, real_images: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """One part's share of D's step, as one vector: gradients, buffers, figures."""
        with torch.no_grad(), kept_buffers(self.G), self._autocast():
            fake_images = self.G(z, y)
        real_images = real_images.detach().requires_grad_(self.settings.r1_gamma > 0)
        with kept_buffers(self.D), self._autocast():
            real_logits, fake_logits = self.D(real_images, y).float(), self.D(fake_images, y).float()
            penalty = torch.zeros_like(real_logits)
            if self.settings.r1_gamma > 0:
                penalty = gradient_penalty(real_logits, real_images)
            d_loss = self.loss.discriminator(real_logits, fake_logits)
            objective = (d_loss + self.settings.r1_gamma / 2 * penalty).mean()
            gradients = torch.autograd.grad(objective, list(self.D.parameters()))
            figures = torch.stack([x.detach().mean() for x in (d_loss, real_logits, fake_logits, penalty)])
            return flatten([*gradients, *float_buffers(self.D), figures])

    def _g_part(self, y: Tensor, z: Tensor) -> Tensor:
        """One part's share of G's step, as one vector: gradients, buffers, figures."""
        with kept_buffers(self.D), kept_buffers(self.G), self._autocast():
            g_loss = self.loss.generator(self.D(self.G(z, y), y).float())
            gradients = torch.autograd.grad(g_loss.mean(), list(self.G.parameters()))
            return flatten([*gradients, *float_buffers(self.G), g_loss.detach().mean()])

    def _update(
        self, net: nn.Module, optimizer: torch.optim.Adam, parts: list[Tensor], names: tuple[str, ...]
    ) -> Tensor:
        """Average the parts' vectors and take one optimiser's step. Returns the figures and the gradient's norm."""
        mean = self.team.tree_mean(parts)
        parameters, buffers = list(net.parameters()), float_buffers(net)
        sizes = [sum(t.numel() for t in parameters), sum(t.numel() for t in buffers), len(names)]
        gradient, statistics, figures = mean.split(sizes)
        norm = gradient.norm().reshape(1)  # its square overflows before Adam's second moment does
        if not torch.isfinite(torch.cat([norm, statistics, figures])).all():
            raise NotFiniteError(f"{'D' if net is self.D else 'G'}'s loss or gradient")
        for parameter, piece in zip(parameters, unflatten(gradient, parameters), strict=True):
            parameter.grad = piece
        optimizer.step()
        for buffer, piece in zip(buffers, unflatten(statistics, buffers), strict=True):
            buffer.copy_(piece)
        return torch.cat([figures, norm])

    def _latents(self, player: str, step: int) -> tuple[Tensor, ...]:
        shape = (self.settings.batch_size, self.settings.z_dim)
        z = draws.normal(self.settings.seed, f"train_gan.z.{player}", step, shape)
        return self._mine(z.to(self.images.device))

    def _mine(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Of the parts of a batch, those that this process computes."""
        return batch.chunk(self.team.shards)[self.team.parts.start : self.team.parts.stop]

    def _autocast(self) -> torch.autocast:
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.images.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _set_learning_rates(self, step: int) -> None:
        """Linear from lr at the first step to lr_decay * lr at the end."""
        factor = 1 - (1 - self.settings.lr_decay) * step / self.settings.total_steps
        for optimizer, lr in ((self.opt_g, self.settings.lr_g), (self.opt_d, self.settings.lr_d)):
            optimizer.param_groups[0]["lr"] = lr * factor

    def _ema_decay(self, step: int) -> float:
        batch_kimg = self.settings.batch_size / 1000
        return ema_decay(batch_kimg, step * batch_kimg, self.settings.ema_halflife_kimg)

    def state(self) -> dict[str, Tensor]:
        """All that a later step depends on, by name: weights, buffers and average, and the optimisers' moments."""
        tensors: dict[str, Tensor] = {}
        for name, net in self._nets().items():
            tensors |= {f"{name}.{key}": tensor for key, tensor in net.state_dict().items()}
        for name, optimizer in self._optimizers().items():
            for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
                moments = optimizer.state[parameter]
                tensors |= {f"{name}.{index}.{key}": tensor for key, tensor in moments.items()}
        return tensors

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave. Raises KeyError or RuntimeError if it is another network's."""
        for name, net in self._nets().items():
            net.load_state_dict(under(tensors, name))
        for name, optimizer in self._optimizers().items():
            for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
                moments = under(tensors, f"{name}.{index}")
                # The step count stays on the CPU; the moments take the parameter's memory layout, as they had it.
                optimizer.state[parameter] = {
                    key: moments[key] if key == "step" else torch.empty_like(parameter).copy_(moments[key])
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }

    def _nets(self) -> dict[str, nn.Module]:
        return {"G": self.G, "D": self.D, "ema": self.ema}

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"opt_g": self.opt_g, "opt_d": self.opt_d}


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix and a dot, by the rest of their names."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def float_buffers(module: nn.Module) -> list[Tensor]:
    """The buffers that carry statistics."""
    return [buffer for buffer in module.buffers() if buffer.is_floating_point()]


@contextmanager
def kept_buffers(module: nn.Module) -> Iterator[None]:
    """Put a module's buffers back as they were: each part starts from the same ones.

    Integer buffers (BatchNorm's count of forward passes, which nothing here reads) thus stay at their first value.
    """
    before = [buffer.clone() for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(module.buffers(), before, strict=True):
            buffer.copy_(value)
