"""The algorithm: one step of D and G, a batch at a time, in fixed parts.

Each part of a batch goes forward and backward by itself (normalisation layers see one part at a time); gradients,
running statistics and logged figures of the parts are averaged by one fixed tree, so that it changes no bit which
process computes which part. Every draw is a function of seed, purpose and index.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from stages.gan.augment import seen
from stages.gan.auxiliaries import Objective, judged
from stages.gan.batches import Batches, Part
from stages.gan.ema import frozen_copy, update_ema
from stages.gan.finite import NotFiniteError, UpdateCheck
from stages.gan.inputs import StepInputs, step_inputs
from stages.gan.lanes import Lanes, in_turn
from stages.gan.layers import iterate_spectral_norms
from stages.gan.losses import LOSSES, smoothed
from stages.gan.optimizers import OPTIMIZERS, clip_weights, load_optimizer_state, optimizer_state, set_learning_rate
from stages.gan.packing import pack
from stages.gan.parts import PartResult, flatten
from stages.gan.penalty_terms import DuePenalty, Judged, spread
from stages.gan.settings import Settings
from stages.gan.team import Team

FIGURES_D = ("d_loss", "real_logits", "fake_logits", "penalty")
FIGURES_G = ("g_loss",)
FIGURES = (*FIGURES_D, "d_grad_norm", *FIGURES_G, "g_grad_norm")
"""What a step reports, in this order: means over the batch, and norms of the two gradients. The figure `penalty` is
the sum of the squared gradient norms that the penalties see, or of the finite differences for them; one that is taken
every n-th step counts n times."""


@dataclass(frozen=True)
class Fake:
    """G's images [J, C, H, W] of one part as D sees them, from which gradients reach G.

    statistics: G's float buffers after that pass.
    """

    images: Tensor
    statistics: list[Tensor]


class Trainer:
    """G, D, their optimisers, the average of G, and the step that updates them all.

    images: float32 [N, C, H, W] in [-1, 1], on the device of G and D; labels: int64 [N].
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        images: Tensor,
        labels: Tensor,
        settings: Settings,
        team: Team,
        auxiliary: Objective | None = None,
    ) -> None:
        self.G, self.D, self.images, self.labels = generator, discriminator, images, labels
        self.settings, self.team = settings, team
        self.ema = frozen_copy(generator)
        build, betas = OPTIMIZERS[settings.optimizer], (settings.betas[0], settings.betas[1])
        self.opt_g = build(list(generator.parameters()), settings.lr_g, betas)
        self.opt_d = build(list(discriminator.parameters()), settings.lr_d, betas)
        self.auxiliary = auxiliary or Objective(settings, 0)
        self.batches = Batches(images, labels, settings, self.auxiliary.labels)
        self.loss = smoothed(LOSSES[settings.loss], settings.label_smoothing)
        self.check = UpdateCheck()
        self.lanes: Lanes = in_turn

    def inputs(self, step: int) -> StepInputs:
        """What that step depends on besides the state, on the CPU."""
        return step_inputs(self.batches, self.settings, step)

    def step(self, step: int, given: StepInputs | None = None) -> Tensor:
        """Train on the batches of that step (0 is the first). Returns FIGURES as float32 [7], on the device.

        given: what `inputs(step)` gives, on the device, if it is at hand already.

        Raises NotFiniteError if a gradient or figure is not finite, at once or later (finite.py); where it does so at
        once, that network keeps its weights.
        """
        given = given or self.inputs(step).on(self.images.device)
        set_learning_rate(self.opt_g, given.factors.lr_g)
        set_learning_rate(self.opt_d, given.factors.lr_d)
        # Teach D: d_steps batches of real images beside fresh samples.
        d_figures = []
        for batch, due in zip(given.batches, given.due, strict=True):
            iterate_spectral_norms(self.D)
            parts = self.batches.parts(batch, self.team.parts)
            fakes = self.lanes(partial(self._fake, learns=batch is given.batches[-1]), parts)
            d_results = self.lanes(partial(self._d_part, due=due), parts, fakes)
            d_figures.append(self._update(self.D, self.opt_d, d_results))
            clip_weights(self.D, self.settings.clip_weights)
        # Teach G by what D now says of the last of these samples.
        g_results = self.lanes(self._g_part, parts, fakes)
        g_figures = self._update(self.G, self.opt_g, g_results)
        # Follow G with its average.
        update_ema(self.ema, self.G, given.factors.ema_decay)
        return torch.cat([torch.stack(d_figures).mean(dim=0), g_figures])

    def _fake(self, part: Part, learns: bool) -> Fake:
        """G's images for one part, as D sees them; learns: whether G's gradients are wanted of them later."""
        # On copies of the buffers: each part starts from the same ones, and gradients are taken after all have passed.
        buffers = {name: buffer.clone() for name, buffer in self.G.named_buffers()}
        with torch.set_grad_enabled(learns), self._autocast():
            images = functional_call(self.G, buffers, (part.z, part.y))
            images = pack(seen(images, part.shifts, part.noise), self.settings.packing)
        return Fake(images, [buffer for buffer in buffers.values() if buffer.is_floating_point()])

    def _d_part(self, part: Part, fake: Fake, due: Sequence[DuePenalty]) -> PartResult:
        """One part's share of D's step, with the penalties that are due."""
        differentiated = {penalty.penalty.at for penalty in due if penalty.of_judged}
        real_images = part.real_images.detach().requires_grad_("real" in differentiated)
        fake_images = fake.images.detach().requires_grad_("fake" in differentiated)
        with kept_buffers(self.D), self._autocast():
            real_logits, real_said = judged(self.D, real_images, part.d_y)
            fake_logits, fake_said = judged(self.D, fake_images, part.d_y)
            d_loss = self.loss.discriminator(real_logits, fake_logits)
            statistics = copied_statistics(self.D)  # of real and fake images, not of those beside them
            of_images: Judged = {"real": (real_logits, real_images), "fake": (fake_logits, fake_images)}
            objective = d_loss + self.auxiliary.d_terms(real_said, fake_said, part.d_y, part.z)
            norms = torch.zeros_like(d_loss[:1])
            for penalty in due:
                squares = penalty.squared_norms(self.D, of_images, part.d_y, part.uniform, part.normal)
                objective = objective + spread(penalty.value(squares), len(d_loss))
                norms = norms + penalty.term.interval * squares.detach().mean()
            gradients = torch.autograd.grad(objective.mean(), list(self.D.parameters()))
            means = [x.detach().mean() for x in (d_loss, real_logits, fake_logits, norms)]
            return PartResult(gradients, statistics, torch.stack(means))

    def _g_part(self, part: Part, fake: Fake) -> PartResult:
        """One part's share of G's step."""
        with kept_buffers(self.D), self._autocast():
            fake_logits, fake_said = judged(self.D, fake.images, part.d_y)
            real_logits = fake_logits
            if self.loss.paired:
                with torch.no_grad():
                    real_logits = self.D(part.real_images, part.d_y).float()
            g_loss = self.loss.generator(fake_logits, real_logits)
            objective = g_loss + self.auxiliary.g_terms(fake_said, part.d_y, part.z)
            gradients = torch.autograd.grad(objective.mean(), list(self.G.parameters()))
            return PartResult(gradients, fake.statistics, g_loss.detach().mean().reshape(1))

    def _update(self, net: nn.Module, optimizer: Optimizer, results: list[PartResult]) -> Tensor:
        """Average the parts' results and take one optimiser step. Returns the figures and the gradient's norm."""
        mean = self.team.mean(results)
        norm = flatten(mean.gradients).norm()  # its square overflows before Adam's second moment does
        finite = torch.isfinite(flatten([norm, *mean.statistics, mean.figures])).all()
        self.check.note("D" if net is self.D else "G", finite)
        for parameter, gradient in zip(net.parameters(), mean.gradients, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(gradient)
        optimizer.step()
        for buffer, statistic in zip(float_buffers(net), mean.statistics, strict=True):
            buffer.copy_(statistic)
        return torch.cat([mean.figures, norm.reshape(1)])

    def _autocast(self) -> torch.autocast:
        enabled = self.settings.precision == "bfloat16"
        return torch.autocast(self.images.device.type, dtype=torch.bfloat16, enabled=enabled)

    def require_finite_updates(self, steps_done: int) -> None:
        """Raises NotFiniteError if an update up to that number of steps was not of finite numbers."""
        self.check.require(steps_done, self.settings.d_steps)

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
