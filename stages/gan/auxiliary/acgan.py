"""ACGAN (Odena et al. 2017, "Conditional image synthesis with auxiliary classifier GANs"): D names the class.

D is not given the class, as a projection gives it, but names it, of real and generated images alike; G is rewarded for
images whose class is recognised. Equations 2 and 3 of the paper: D maximises L_S + L_C, G maximises L_C - L_S.
"""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.gan.auxiliaries import Objective
from stages.gan.settings import Settings


class Chosen(Objective):
    """The cross-entropy of the classes that D names."""

    d_is_conditional = False

    @classmethod
    def contradictions(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        """It needs classes."""
        if not settings.conditional:
            yield "auxiliary", "acgan rewards images of the class asked for; expected conditional true, found false"

    def head(self, num_features: int) -> nn.Module:
        """Logits of the classes, [J, num_classes]."""
        return nn.Linear(num_features, self.num_classes)

    def d_terms(self, real: Tensor, fake: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """L_C, equation 3, [J]."""
        named = cross_entropy(real, y, reduction="none") + cross_entropy(fake, y, reduction="none")
        return self.settings.auxiliary_weight * named

    def g_terms(self, fake: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Its second half: of generated images, [J]."""
        return self.settings.auxiliary_weight * cross_entropy(fake, y, reduction="none")
