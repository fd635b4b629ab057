"""The algorithm: one step of D and G, a batch at a time, in fixed parts.

Each part of a batch goes forward and backward by itself (normalisation layers see one part at a time); gradients,
running statistics and logged figures of the parts are averaged by one fixed tree, so that it changes no bit which
process computes which part. Every draw is a function of seed, purpose and index.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import pad
from torch.optim import Optimizer

from stages.common import draws
from stages.gan.ema import ema_decay, frozen_copy, update_ema
from stages.gan.layers import iterate_spectral_norms
from stages.gan.losses import LOSSES
from stages.gan.optimizers import OPTIMIZERS, load_optimizer_state, optimizer_state
from stages.gan.parts import PartResult, flatten
from stages.gan.penalties import PENALTIES, Penalty, penalty_points, squared_gradient_norms
from stages.gan.settings import PenaltyTerm, Settings
from stages.gan.team import Team

DuePenalty = tuple[Penalty, PenaltyTerm]
"""A penalty that is taken in this step of D, and how."""
FIGURES_D = ("d_loss", "real_logits", "fake_logits", "penalty")
FIGURES_G = ("g_loss",)
FIGURES = (*FIGURES_D, "d_grad_norm", *FIGURES_G, "g_grad_norm")
"""What a step reports, in this order: means over the batch, and norms of the two gradients. The figure `penalty` is
the sum of the squared gradient norms that the penalties see; one that is taken every n-th step counts n times."""


class NotFiniteError(ArithmeticError):
    """A loss, gradient, statistic or weight is not a finite number."""


@dataclass(frozen=True)
class Part:
    """One part of a batch: real_images [P, C, H, W] in [-1, 1], their labels y int64 [P], latents z [P, z_dim].

    uniform: draws in [0, 1), [P, 1 + C * H * W], for penalties beside real and fake images; empty if there are none.
    """

    real_images: Tensor
    y: Tensor
    z: Tensor
    uniform: Tensor


@dataclass(frozen=True)
class Fake:
    """G's images [P, C, H, W] of one part, from which gradients reach G, and its float buffers after that pass."""

    images: Tensor
    statistics: list[Tensor]


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
        build, betas = OPTIMIZERS[settings.optimizer], (settings.betas[0], settings.betas[1])
        self.opt_g = build(list(generator.parameters()), settings.lr_g, betas)
        self.opt_d = build(list(discriminator.parameters()), settings.lr_d, betas)
        self.order = draws.BatchOrder(settings.seed, "train_gan.order", len(images), settings.batch_size)
        self.loss = LOSSES[settings.loss]
        # By the registry's order: in which order params.yaml names them changes no bit.
        self.penalties = [
            (PENALTIES[name], settings.penalties[name]) for name in PENALTIES if name in settings.penalties
        ]

    def step(self, step: int) -> Tensor:
        """Train on the batches of that step (0 is the first). Returns FIGURES as float32 [7], on the device.

        Raises NotFiniteError if a gradient or figure is not finite; that network then keeps its weights.
        """
        self._set_learning_rates(step)
        # Teach D: d_steps batches of real images beside fresh samples.
        d_figures, batches = [], range(step * self.settings.d_steps, (step + 1) * self.settings.d_steps)
        for batch in batches:
            iterate_spectral_norms(self.D)
            due = self._penalties_due(batch)
            parts = self._parts(batch, due)
            fakes = [self._fake(part, learns=batch == batches[-1]) for part in parts]
            d_results = [self._d_part(part, fake.images.detach(), due) for part, fake in zip(parts, fakes, strict=True)]
            d_figures.append(self._update(self.D, self.opt_d, d_results))
        # Teach G by what D now says of the last of these samples.
        g_results = [self._g_part(part, fake) for part, fake in zip(parts, fakes, strict=True)]
        g_figures = self._update(self.G, self.opt_g, g_results)
        # Follow G with its average.
        update_ema(self.ema, self.G, self._ema_decay(step))
        return torch.cat([torch.stack(d_figures).mean(dim=0), g_figures])

    def _fake(self, part: Part, learns: bool) -> Fake:
        """G's images for one part; learns: whether G's gradients are wanted of them later."""
        # On copies of the buffers: each part starts from the same ones, and gradients are taken after all have passed.
        buffers = {name: buffer.clone() for name, buffer in self.G.named_buffers()}
        with torch.set_grad_enabled(learns), self._autocast():
            images = functional_call(self.G, buffers, (part.z, part.y))
        return Fake(images, [buffer for buffer in buffers.values() if buffer.is_floating_point()])

    def _d_part(self, part: Part, fake_images: Tensor, due: Sequence[DuePenalty]) -> PartResult:
        """One part's share of D's step, with the penalties that are due."""
        whole = {penalty.at for penalty, term in due if term.part == 1}
        real_images = part.real_images.detach().requires_grad_("real" in whole)
        fake_images = fake_images.requires_grad_("fake" in whole)
        with kept_buffers(self.D), self._autocast():
            real_logits, fake_logits = self.D(real_images, part.y).float(), self.D(fake_images, part.y).float()
            d_loss = self.loss.discriminator(real_logits, fake_logits)
            statistics = copied_statistics(self.D)  # of real and fake images, not of those beside them
            judged = {"real": (real_logits, real_images), "fake": (fake_logits, fake_images)}
            objective, norms = d_loss, torch.zeros_like(d_loss[:1])
            for penalty, term in due:
                squares = self._squared_norms(penalty, term, part, judged)
                objective = objective + spread(term.weight * term.interval * penalty.of(squares), len(d_loss))
                norms = norms + term.interval * squares.detach().mean()
            gradients = torch.autograd.grad(objective.mean(), list(self.D.parameters()))
            means = [x.detach().mean() for x in (d_loss, real_logits, fake_logits, norms)]
            return PartResult(gradients, statistics, torch.stack(means))

    def _g_part(self, part: Part, fake: Fake) -> PartResult:
        """One part's share of G's step."""
        with kept_buffers(self.D), self._autocast():
            fake_logits = real_logits = self.D(fake.images, part.y).float()
            if self.loss.paired:
                with torch.no_grad():
                    real_logits = self.D(part.real_images, part.y).float()
            g_loss = self.loss.generator(fake_logits, real_logits)
            gradients = torch.autograd.grad(g_loss.mean(), list(self.G.parameters()))
            return PartResult(gradients, fake.statistics, g_loss.detach().mean().reshape(1))

    def _squared_norms(
        self, penalty: Penalty, term: PenaltyTerm, part: Part, judged: dict[str, tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Squared gradient norms at the images that the penalty is taken on, [ceil(term.part * P)].

        judged: logits and images, real and fake. The whole of either needs no further pass of D; anything else does.
        """
        if penalty.at in judged and term.part == 1:
            return squared_gradient_norms(*judged[penalty.at])
        points = penalty_points(penalty, judged["real"][1], judged["fake"][1], part.uniform)
        points = points[: math.ceil(term.part * len(points))].detach().requires_grad_()
        return squared_gradient_norms(self.D(points, part.y[: len(points)]).float(), points)

    def _update(self, net: nn.Module, optimizer: Optimizer, results: list[PartResult]) -> Tensor:
        """Average the parts' results and take one optimiser step. Returns the figures and the gradient's norm."""
        mean = self.team.mean(results)
        norm = flatten(mean.gradients).norm()  # its square overflows before Adam's second moment does
        if not torch.isfinite(flatten([norm, *mean.statistics, mean.figures])).all():
            raise NotFiniteError(f"{'D' if net is self.D else 'G'}'s loss or gradient")
        for parameter, gradient in zip(net.parameters(), mean.gradients, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(gradient)
        optimizer.step()
        for buffer, statistic in zip(float_buffers(net), mean.statistics, strict=True):
            buffer.copy_(statistic)
        return torch.cat([mean.figures, norm.reshape(1)])

    def _parts(self, batch: int, due: Sequence[DuePenalty]) -> list[Part]:
        """This process's parts of a batch: real images, latents, and what the penalties need."""
        settings, device = self.settings, self.images.device
        rows = self.order.rows(batch).to(device)
        z = draws.normal(settings.seed, "train_gan.z", batch, (settings.batch_size, settings.z_dim))
        tensors = self.images[rows], self.labels[rows], z.to(device), self._uniform(batch, due).to(device)
        mine = slice(self.team.parts.start, self.team.parts.stop)
        return [Part(*part) for part in zip(*(tensor.chunk(settings.shards)[mine] for tensor in tensors), strict=True)]

    def _penalties_due(self, batch: int) -> list[DuePenalty]:
        return [(penalty, term) for penalty, term in self.penalties if term.weight and batch % term.interval == 0]

    def _uniform(self, batch: int, due: Sequence[DuePenalty]) -> Tensor:
        """Draws for penalties beside real and fake images, [B, 1 + C * H * W]; [B, 0] if none of these is due."""
        drawn = any(penalty.at in ("between", "near") for penalty, _ in due)
        width = 1 + self.images[0].numel() if drawn else 0
        return draws.uniform(self.settings.seed, "train_gan.penalty", batch, (self.settings.batch_size, width))

    def _autocast(self) -> torch.autocast:
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.images.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _set_learning_rates(self, step: int) -> None:
        """Linear from lr at the first step to lr_decay * lr at the end."""
        factor = 1 - (1 - self.settings.lr_decay) * step / self.settings.total_steps
        for optimizer, lr in ((self.opt_g, self.settings.lr_g), (self.opt_d, self.settings.lr_d)):
            optimizer.param_groups[0]["lr"] = lr * factor

    def _ema_decay(self, step: int) -> float:
        shown = self.settings.kimg_shown(1)
        return ema_decay(shown, step * shown, self.settings.ema_halflife_kimg)

    def require_finite(self) -> None:
        """Raises NotFiniteError if the last update left a weight or statistic that is not finite."""
        for name, net in self._nets().items():
            if not all(tensor.isfinite().all() for tensor in net.state_dict().values()):
                raise NotFiniteError(f"{name}'s weights")

    def state(self) -> dict[str, Tensor]:
        """All that a later step depends on, by name: weights, buffers and average, and the optimisers' state."""
        states = {name: net.state_dict() for name, net in self._nets().items()}
        states |= {name: optimizer_state(optimizer) for name, optimizer in self._optimizers().items()}
        return {f"{name}.{key}": tensor for name, tensors in states.items() for key, tensor in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Continue from what `state` gave. Raises KeyError or RuntimeError if it is another network's."""
        for name, net in self._nets().items():
            net.load_state_dict(under(tensors, name))
        for name, optimizer in self._optimizers().items():
            load_optimizer_state(optimizer, under(tensors, name))

    def _nets(self) -> dict[str, nn.Module]:
        return {"G": self.G, "D": self.D, "ema": self.ema}

    def _optimizers(self) -> dict[str, Optimizer]:
        return {"opt_g": self.opt_g, "opt_d": self.opt_d}


def spread(values: Tensor, n: int) -> Tensor:
    """Values [m] as [n], m at most n, of the same mean: scaled up, and zeros for the images that have none."""
    return values if len(values) == n else pad(values * (n / len(values)), (0, n - len(values)))


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix and a dot, by the rest of their names."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def float_buffers(module: nn.Module) -> list[Tensor]:
    """The buffers that carry statistics."""
    return [buffer for buffer in module.buffers() if buffer.is_floating_point()]


def copied_statistics(module: nn.Module) -> list[Tensor]:
    """Copies of the buffers that carry statistics, as a pass has left them."""
    return [buffer.clone() for buffer in float_buffers(module)]


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
