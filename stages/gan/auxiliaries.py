"""The registry of auxiliary objectives: the listing of the folder auxiliary. Only the chosen module is imported.

An auxiliary objective adds a head to D, which says something of an image, and terms to what D and G minimise. The
trainer knows none of them by name.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from stages.common.initialise import initialise

if TYPE_CHECKING:
    from stages.gan.settings import Settings

FOLDER = Path(__file__).parent / "auxiliary"
HEAD = "auxiliary"
"""The name of the head among D's modules, so that it is trained, averaged, kept and resumed as the rest of D is."""


class Objective:
    """An auxiliary objective: a subclass in auxiliary/<name>.py, with the name Chosen. This one adds nothing.

    num_classes: of the images. The terms are one value for each judgement of D, [J], or a single one.
    """

    g_is_conditional: ClassVar[bool | None] = None
    """Whether G is given a class, or a code in its place; None: as train_gan.conditional says."""
    d_is_conditional: ClassVar[bool | None] = None
    """Whether D is given the class, likewise."""
    draws_labels: ClassVar[bool] = False
    """Whether G's labels are codes that nobody gave, so that samples have no known class."""

    def __init__(self, settings: "Settings", num_classes: int) -> None:
        self.settings, self.num_classes = settings, num_classes

    @classmethod
    def contradictions(cls, settings: "Settings") -> Iterator[tuple[str, str]]:
        """Keys of train_gan that do not go together with this objective, and why."""
        yield from ()

    @property
    def g_classes(self) -> int:
        """num_classes of G."""
        return self._classes(self.g_is_conditional)

    @property
    def d_classes(self) -> int:
        """num_classes of D."""
        return self._classes(self.d_is_conditional)

    def head(self, num_features: int) -> nn.Module | None:
        """What is added to D: from its features float32 [J, num_features] to what the terms read."""
        return None

    def labels(self, batch: int, y: Tensor) -> Tensor:
        """The labels that G is given for that batch, int64 [B]; y: those of its real images."""
        return y

    def d_terms(self, real: Tensor, fake: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """What D minimises beside its loss.

        real, fake: what the head says of either, [J, N]; y [J] and z [P, z_dim]: what G was given.
        """
        return fake.new_zeros(())

    def g_terms(self, fake: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """What G minimises beside its loss, likewise."""
        return fake.new_zeros(())

    def pictures(self, generator: nn.Module, device: torch.device) -> dict[str, bytes]:
        """PNGs of what the averaged generator has learned by this objective, by file name, at the training's end."""
        return {}

    @property
    def picture_names(self) -> list[str]:
        """The names of these pictures."""
        return []

    def attach(self, discriminator: nn.Module, seed: int) -> None:
        """Add the head, with its initial weights, to D. Raises ValueError if that network gives no features."""
        if not hasattr(discriminator, "num_features"):
            raise ValueError("its D gives no features, which train_gan.auxiliary needs")
        if (head := self.head(discriminator.num_features)) is not None:  # type: ignore[arg-type]
            initialise(head, seed, "train_gan.auxiliary")
            discriminator.add_module(HEAD, head)

    def _classes(self, is_conditional: bool | None) -> int:
        return self.num_classes if (self.settings.conditional if is_conditional is None else is_conditional) else 0


def judged(discriminator: nn.Module, images: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Logits float32 [J], and what the head says, if D has one, float32 [J, N]; otherwise [J, 0]."""
    head = dict(discriminator.named_children()).get(HEAD)
    if head is None:
        logits = discriminator(images, y).float()
        return logits, logits.detach().new_empty(len(logits), 0)
    features = discriminator.features(images, y)  # type: ignore[operator]
    return discriminator.logits(features, y).float(), head(features).float()  # type: ignore[operator]


def names() -> list[str]:
    """The names of all auxiliary objectives, sorted."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def load(name: str) -> type[Objective]:
    """The objective of that name, one of `names`."""
    return importlib.import_module(f"stages.gan.auxiliary.{name}").Chosen
