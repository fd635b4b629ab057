"""Looks at a training now and then, on fixed latents and images: what D makes of them, and how much samples vary.

It sees D and pixels, never the classifier, so that what it says is no second reading of the metrics.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields

import torch
from torch import Tensor, nn

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.images import ImageSet
from stages.gan.packing import pack
from stages.gan.trainer import Trainer, kept_buffers
from stages.gan.variation import class_means, first_of_each_class, nearest, sharpness, spread, typical

LEAST_IMAGES, PER_CLASS, MOST_CLASSES = 500, 10, 200
"""Images of a look: LEAST_IMAGES, or PER_CLASS of each class if that is more, for at most MOST_CLASSES classes."""
LEAST_TYPICAL = 0.3
"""Of the real images of a class, the share nearest to that class's mean below which pixels do not tell it apart."""


@dataclass(frozen=True)
class Reading:
    """What a look at a training gives; nan where there is nothing to see.

    kimg: thousands of real images shown to D so far.
    d_slope: mean size of the slope of D's loss at its logits; near 0, D has nothing left to learn.
    g_slope: mean norm of the gradient of G's loss at a sample; near 0, G learns nothing.
    spread: variance of the pixels among samples (of one class, if G is conditional), as a ratio to real images.
    nearest: mean distance of a sample to the nearest other one, likewise.
    sharpness: how much neighbouring pixels of a sample differ, likewise; a training that has only begun makes blurs.
    weakest_class: over classes, the least share of samples that lie nearest to the mean training image of their class,
    as a ratio to real images. An unconditional G keeps to no class: then it is the share of all samples.
    memorised: how far D's mean logit of held-out images lies from that of training images towards that of samples, 0
    to 1 (r_v of Karras et al. 2020, "Training generative adversarial networks with limited data", equation 1).
    memorised_z: the difference between training and held-out images in its standard errors.
    """

    kimg: float
    d_slope: float
    g_slope: float
    spread: float
    nearest: float
    sharpness: float
    weakest_class: float
    memorised: float
    memorised_z: float

    def line(self) -> str:
        """The figures in the order of COLUMNS, six digits each."""
        return ",".join(f"{value:.6g}" for value in astuple(self))


COLUMNS = tuple(field.name for field in fields(Reading))


class Monitor:
    """The images and latents of every look, and the figures of real images, which do not change.

    held_out: images that D does not learn from, or None.
    """

    def __init__(self, trainer: Trainer, digits: ImageSet, held_out: ImageSet | None) -> None:
        settings = trainer.settings
        self.trainer, self.conditional, self.packing = trainer, settings.conditional, settings.packing
        num_classes = len(digits.classes)
        self.real = self._chosen(digits)
        self.held_out = self._chosen(held_out) if held_out else None
        self.means = class_means(digits.images, digits.labels, num_classes)
        self.z = draws.normal_rows(settings.seed, "train_gan.monitor", range(len(self.real)), settings.z_dim)
        self.of_real = self._variation(self.real.images)

    def _chosen(self, digits: ImageSet) -> ImageSet:
        """As many of each class, in order, so that packs are whole and of one class; or simply the first ones."""
        num_classes = len(digits.classes)
        n = max(LEAST_IMAGES, PER_CLASS * min(num_classes, MOST_CLASSES))
        if self.conditional:
            each = max(n // num_classes, self.packing)
            chosen = first_of_each_class(digits.labels, each, self.packing)
            return digits.select(chosen[: n // self.packing * self.packing])
        return digits.select(slice(min(n, len(digits)) // self.packing * self.packing))

    def look(self, kimg: float) -> Reading:
        """What there is to see after that many thousands of images. Changes nothing of the training."""
        with evaluating(self.trainer.G), kept_buffers(self.trainer.D):
            device = self.trainer.images.device
            samples = in_blocks(self.trainer.G, self.z.to(device), self.real.labels.to(device))
            d_slope, g_slope = self._slopes(samples)
            memorised = self._memorised(samples)
        typical_samples, *variation = self._variation(samples)
        typical_real, *of_real = self.of_real
        known = typical_real >= LEAST_TYPICAL / (1 if self.conditional else len(self.means))
        ratios = (typical_samples / typical_real)[known]
        weakest = ratios.min().item() if len(ratios) else math.nan
        spread_share, nearest_share, sharpness_share = (
            value / real if real else math.nan for value, real in zip(variation, of_real, strict=True)
        )
        shares = spread_share, nearest_share, sharpness_share
        return Reading(kimg, d_slope, g_slope, *shares, weakest, *memorised)

    def _variation(self, images: Tensor) -> tuple[Tensor, float, float, float]:
        """Shares of typical images by class, spread, distance to the nearest, and sharpness."""
        labels = self.real.labels
        groups = labels if self.conditional else torch.zeros_like(labels)
        by_class = typical(images, labels, self.means, by_label=self.conditional)
        return by_class, spread(images, groups), nearest(images, groups), sharpness(images)

    def _slopes(self, samples: Tensor) -> tuple[float, float]:
        """The mean size of the slope of D's loss at its logits, and the mean norm of that of G's loss at a sample."""
        loss, labels = self.trainer.loss, self.real.labels
        fake_images = samples.to(self.trainer.images.device).requires_grad_()
        real_logits = self._judged(self.real.images, labels).detach().requires_grad_()
        fake_logits = self._judged(fake_images, labels)
        g_loss = loss.generator(fake_logits, real_logits.detach() if loss.paired else fake_logits)
        (g_slopes,) = torch.autograd.grad(g_loss.sum(), fake_images, retain_graph=True)
        fake_logits = fake_logits.detach().requires_grad_()
        d_loss = loss.discriminator(real_logits, fake_logits)
        d_slopes = torch.autograd.grad(d_loss.sum(), [real_logits, fake_logits])
        return torch.cat(d_slopes).abs().mean().item(), g_slopes.flatten(1).norm(dim=1).mean().item()

    def _memorised(self, samples: Tensor) -> tuple[float, float]:
        """r_v, and its numerator in standard errors."""
        if self.held_out is None:
            return math.nan, math.nan
        with torch.no_grad():
            training, held_out, fake = (
                self._judged(images, labels).double().cpu()
                for images, labels in (
                    (self.real.images, self.real.labels),
                    (self.held_out.images, self.held_out.labels),
                    (samples, self.real.labels),
                )
            )
        fall, whole = training.mean() - held_out.mean(), training.mean() - fake.mean()
        error = (training.var() / len(training) + held_out.var() / len(held_out)).sqrt()
        ratio = (fall / whole).item() if whole > 0 else math.nan
        return ratio, (fall / error).item() if error > 0 else math.nan

    def _judged(self, images: Tensor, labels: Tensor) -> Tensor:
        """D's logits of the images, pack by pack."""
        device = self.trainer.images.device
        packs = pack(images.to(device), self.packing)
        return self.trainer.D(packs, labels[:: self.packing].to(device)).float()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """The net in evaluation mode, for as long as this lasts."""
    was_training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was_training)
