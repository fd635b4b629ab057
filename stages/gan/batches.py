"""What each step trains on: real images and draws, as the fixed parts of a batch.

What is drawn for a batch is a function of its number, on the CPU; the parts are a function of that and of the images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
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


@dataclass(frozen=True)
class BatchDraws:
    """All that a batch depends on besides the real images.

    rows: of these, int64 [B]; y, z, uniform, normal, shifts, noise: as in Part, of the whole batch; real_shifts,
    real_noise: in which views D sees real images.
    """

    rows: Tensor
    y: Tensor
    z: Tensor
    uniform: Tensor
    normal: Tensor
    real_shifts: Tensor
    real_noise: Tensor
    shifts: Tensor
    noise: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        """All of them in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]


class Batches:
    """The batches of a training by number.

    images: float32 [N, C, H, W], on the device; labels: int64 [N]; g_labels: from the number of a batch and the labels
    of its real images to those of G's images.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, settings: Settings, g_labels: Callable[[int, Tensor], Tensor]
    ) -> None:
        self.images, self.labels, self.settings, self.g_labels = images, labels.cpu(), settings, g_labels
        self.order = batch_order(settings, self.labels)

    def draws(self, batch: int, due: Sequence[DuePenalty]) -> BatchDraws:
        """What is drawn for a batch (0 is the first), on the CPU, with what the penalties need that are due."""
        rows = self.order.rows(batch)
        y = self.g_labels(batch, self.labels[rows])
        views = *self._views("real", batch), *self._views("fake", batch)
        return BatchDraws(rows, y, *self._draws(batch, due), *views)

    def parts(self, drawn: BatchDraws, mine: range) -> list[Part]:
        """Those parts of the batch for which that was drawn; it lies on the images' device."""
        settings, y = self.settings, drawn.y
        real_images = pack(seen(self.images[drawn.rows], drawn.real_shifts, drawn.real_noise), settings.packing)
        tensors = (
            *(y, drawn.z, real_images, y[:: settings.packing]),
            *(drawn.uniform, drawn.normal, drawn.shifts, drawn.noise),
        )
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
        """In which views D sees the real or generated images of a batch."""
        noise_std = schedules.noise_std(self.settings, batch // self.settings.d_steps)
        return draw_views(self.settings, of, batch, self.images[0].shape, noise_std)
