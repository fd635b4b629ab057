"""InfoGAN (Chen et al. 2016): codes that G is given are found again from its images, so that each has a meaning.

A categorical code, as many values as there are classes, takes the place of the class in G; continuous codes are the
first entries of z. Nobody gives a label: which digit a category becomes is the training's own choice. Equation 5 of the
paper: both players minimise -L_I, a lower bound of the mutual information, here up to a constant: the cross-entropy of
the categories, and half the squared error of the continuous codes, a normal distribution of variance 1, as in the
authors' code. Departure: continuous codes are normal, as all of z, not uniform.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.common import draws
from stages.common.blocks import in_blocks
from stages.common.grids import grid_png
from stages.gan.auxiliaries import Objective
from stages.gan.settings import Settings

HIDDEN = 128
"""Units of the head's hidden layer, as in the paper's appendix C.1."""
EXTREME, STEPS = 2.0, 10
"""Of a continuous code in pictures: from -EXTREME to EXTREME, as in the paper's figure 2."""


class Chosen(Objective):
    """The codes, as D's head finds them: logits of the categories, then the means of the continuous codes."""

    g_is_conditional, d_is_conditional = True, False
    draws_labels = True

    @classmethod
    def contradictions(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        """It learns without classes, and a pack of images has no one code."""
        if settings.conditional:
            yield "auxiliary", "infogan finds categories without any label; expected conditional false, found true"
        if settings.packing > 1:
            yield "packing", f"each image of a pack has its own code for infogan; expected 1, found {settings.packing}"
        if settings.continuous_codes > settings.z_dim:
            most = f"at most the {settings.z_dim} entries of z (z_dim)"
            yield "continuous_codes", f"expected {most}, found {settings.continuous_codes}"

    def head(self, num_features: int) -> nn.Module:
        """[J, num_classes + continuous_codes]."""
        outputs = self.num_classes + self.settings.continuous_codes
        return nn.Sequential(nn.Linear(num_features, HIDDEN), nn.LeakyReLU(0.1), nn.Linear(HIDDEN, outputs))

    def labels(self, batch: int, y: Tensor) -> Tensor:
        """Categories drawn uniformly."""
        drawn = draws.integers(self.settings.seed, "train_gan.codes", batch, self.num_classes, tuple(y.shape))
        return drawn.to(y.device)

    def d_terms(self, real: Tensor, fake: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """-L_I: of generated images alone, [J]."""
        return self.g_terms(fake, y, z)

    def g_terms(self, fake: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """The same."""
        logits, means = fake.split([self.num_classes, self.settings.continuous_codes], dim=1)
        missed = (means - z[:, : self.settings.continuous_codes]).square().sum(dim=1) / 2
        return self.settings.auxiliary_weight * (cross_entropy(logits, y, reduction="none") + missed)

    @property
    def picture_names(self) -> list[str]:
        """One for each continuous code."""
        return [f"code_{number}.png" for number in range(1, self.settings.continuous_codes + 1)]

    def pictures(self, generator: nn.Module, device: torch.device) -> dict[str, bytes]:
        """What each continuous code does: a row for each category, the code rising from left to right."""
        z = draws.normal_rows(self.settings.seed, "train_gan.grid", range(self.num_classes), self.settings.z_dim)
        values = torch.linspace(-EXTREME, EXTREME, STEPS).repeat(self.num_classes)
        y = torch.arange(self.num_classes).repeat_interleave(STEPS)
        made = {}
        for code, name in enumerate(self.picture_names):
            moved = z.repeat_interleave(STEPS, dim=0)
            moved[:, code] = values
            made[name] = grid_png(in_blocks(generator, moved.to(device), y.to(device)), STEPS)
        return made
