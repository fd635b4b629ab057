"""What each step trains on: real images and draws, as the fixed parts of a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from stages.common import draws
from stages.gan import schedules
from stages.gan.augment import Views, draw_views, seen
from stages.gan.packing import batch_order, pack
from stages.gan.penalty_terms import DuePenalty, draws_needed
from stages.gan.settings import Settings


@dataclass(frozen=True)
class Part:
    """One part of a batch: labels y int64 [P] and latents z [P, z_dim] of its images, and the real ones as D sees them.

    real_images: [J, C, H, W] in [-1, 1] but for noise, J judgements: the P images, or packs of them as channels;
    d_y: the label of each judgement, int64 [J];
    uniform: draws in [0, 1), [P, 1 + C * H * W], for penalties beside real and fake images; empty if there are none;
    normal: draws [P, C * H * W] for finite differences; empty if there are none;
    shifts, noise: in which views D sees G's images (stages/gan/augment.py).
    """

    y: Tensor
    z: Tensor
    real_images: Tensor
    d_y: Tensor
    uniform: Tensor
    normal: Tensor
    shifts: Tensor
    noise: Tensor


class Batches:
    """The batches of a training by number.

    images: float32 [N, C, H, W]; labels: int64 [N]; both on the device; g_labels: from the number of a batch and the
    labels of its real images to those of G's images.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, settings: Settings, g_labels: Callable[[int, Tensor], Tensor]
    ) -> None:
        self.images, self.labels, self.settings, self.g_labels = images, labels, settings, g_labels
        self.order = batch_order(settings, labels)

    def parts(self, batch: int, due: Sequence[DuePenalty], mine: range) -> list[Part]:
        """Those parts of a batch (0 is the first), with the draws that the penalties need which are due."""
        settings, device = self.settings, self.images.device
        rows = self.order.rows(batch).to(device)
        of_real, of_fake = self._views("real", batch), self._views("fake", batch)
        real_images = pack(seen(self.images[rows], *of_real), settings.packing)
        y = self.g_labels(batch, self.labels[rows])
        z, uniform, normal = (draw.to(device) for draw in self._draws(batch, due))
        tensors = y, z, real_images, y[:: settings.packing], uniform, normal, *of_fake
        chunks = (tensor.chunk(settings.shards)[mine.start : mine.stop] for tensor in tensors)
        return [Part(*part) for part in zip(*chunks, strict=True)]

    def _draws(self, batch: int, due: Sequence[DuePenalty]) -> tuple[Tensor, Tensor, Tensor]:
        """Latents [B, z_dim], and the penalties' draws: uniform and normal, [B, 0] where none are needed."""
        seed, n, pixels = self.settings.seed, self.settings.batch_size, self.images[0].numel()
        uniform, normal = draws_needed(due)
        return (
            draws.normal(seed, "train_gan.z", batch, (n, self.settings.z_dim)),
            draws.uniform(seed, "train_gan.penalty", batch, (n, 1 + pixels if uniform else 0)),
            draws.normal(seed, "train_gan.difference", batch, (n, pixels if normal else 0)),
        )

    def _views(self, of: Literal["real", "fake"], batch: int) -> Views:
        """In which views D sees the real or generated images of a batch, on the device."""
        noise_std = schedules.noise_std(self.settings, batch // self.settings.d_steps)
        shifts, noise = draw_views(self.settings, of, batch, self.images[0].shape, noise_std)
        return shifts.to(self.images.device), noise.to(self.images.device)
