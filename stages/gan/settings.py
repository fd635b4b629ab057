"""The schema of a training, and the one place that says how many images its steps show."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from stages.common.params import StageParams, known_name
from stages.gan import auxiliaries
from stages.gan.images_shown import kimg_shown
from stages.gan.losses import LOSSES
from stages.gan.optimizers import OPTIMIZERS
from stages.gan.penalties import PENALTIES


class PenaltyTerm(StageParams):
    """How a penalty enters D's objective."""

    weight: Annotated[float, Field(ge=0, description="factor of the penalty; 0 leaves it out")]
    part: Annotated[float, Field(gt=0, le=1, description="share of each part of the batch that it is taken on")]
    interval: Annotated[int, Field(ge=1, description="taken at every n-th step of D, with the weight times n")]
    difference: Annotated[
        float, Field(ge=0, le=1, description="length of the finite differences that replace the gradient; 0 for none")
    ]


class InstanceNoise(StageParams):
    """Normal noise on all images that D sees, which falls linearly."""

    std: Annotated[float, Field(ge=0, le=10, description="standard deviation at first, of pixels in [-1, 1]")]
    until: Annotated[float, Field(gt=0, le=1, description="part of the training after which there is none")]


class BurnIn(StageParams):
    """Other values at the start of a training, from where each goes to its own on half a cosine."""

    kimg: Annotated[float, Field(ge=0, description="length, in thousands of images; 0 for no burn-in")]
    lr: Annotated[float, Field(gt=0, le=1000, description="factor of lr_g and lr_d at first")]
    penalty: Annotated[float, Field(ge=0, le=1000, description="factor of the weights of all penalties at first")]
    ema_halflife: Annotated[float, Field(ge=0, le=1000, description="factor of ema_halflife_kimg at first")]


def _spelled_out(value: Any) -> Any:
    """A bare number is the weight of a penalty on the whole batch in every step; gradients are exact unless said."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"weight": value, "part": 1.0, "interval": 1, "difference": 0.0}
    if not isinstance(value, dict | PenaltyTerm):
        raise ValueError("expected a weight, or weight, part and interval")
    return {"difference": 0.0} | value if isinstance(value, dict) else value


class Settings(StageParams):
    """What decides a training, apart from the networks and the images."""

    loss: Annotated[str, known_name(lambda: LOSSES), Field(description="an entry of LOSSES in stages/gan/losses.py")]
    penalties: Annotated[
        dict[
            Annotated[str, known_name(lambda: PENALTIES)],
            Annotated[PenaltyTerm, BeforeValidator(_spelled_out)],
        ],
        Field(description="entries of PENALTIES in stages/gan/penalties.py: weight, or weight, part and interval"),
    ]
    clip_weights: Annotated[
        float, Field(ge=0, le=1000, description="largest absolute weight of D after each of its steps; 0 for any")
    ]
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="D's label of real images is 1 less this")]
    packing: Annotated[int, Field(ge=1, le=4, description="images that D judges at once, as its channels")]
    translation: Annotated[int, Field(ge=0, le=16, description="pixels by which D sees images shifted, at most")]
    instance_noise: Annotated[InstanceNoise, Field(description="noise on all images that D sees: std and until")]
    burn_in: Annotated[BurnIn, Field(description="other values at first: kimg, lr, penalty and ema_halflife")]
    optimizer: Annotated[
        str, known_name(lambda: OPTIMIZERS), Field(description="an entry of OPTIMIZERS in stages/gan/optimizers.py")
    ]
    conditional: Annotated[bool, Field(description="whether G and D are given the class")]
    auxiliary: Annotated[
        str, known_name(auxiliaries.names), Field(description="a module in stages/gan/auxiliary; none for none")
    ]
    auxiliary_weight: Annotated[float, Field(gt=0, le=1000, description="factor of the auxiliary objective's terms")]
    continuous_codes: Annotated[int, Field(ge=0, description="of auxiliary infogan: entries of z that D finds again")]
    z_dim: Annotated[int, Field(ge=1, le=4096, description="entries of the latent z")]
    batch_size: Annotated[int, Field(ge=1, description="real images in each of D's steps")]
    shards: Annotated[int, Field(ge=1, le=64, description="fixed parts of a batch; normalisation sees one at a time")]
    d_steps: Annotated[int, Field(ge=1, le=100, description="steps of D for each step of G")]
    total_kimg: Annotated[float, Field(gt=0, description="length of training, in thousands of real images shown to D")]
    lr_g: Annotated[float, Field(gt=0, le=1, description="learning rate of G")]
    lr_d: Annotated[float, Field(gt=0, le=1, description="learning rate of D")]
    betas: Annotated[
        list[Annotated[float, Field(ge=0, lt=1)]],
        Field(min_length=2, max_length=2, description="decay rates of the gradient's mean and square"),
    ]
    lr_decay: Annotated[float, Field(ge=0, le=1, description="final learning rate over the initial one; linear")]
    ema_halflife_kimg: Annotated[
        float, Field(ge=0, description="half-life of the average of G, in thousands of images")
    ]
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="of convolutions and matrix products")]
    history_steps: Annotated[int, Field(ge=1, description="steps averaged in a row of the history")]
    snapshot_kimg: Annotated[
        float, Field(gt=0, description="thousands of images between two kept states of G's average")
    ]
    on_collapse: Annotated[
        Literal["warn", "stop"], Field(description="what to do when the monitor sees that the training has gone wrong")
    ]
    seed: Annotated[int, Field(ge=0, description="of weights, order and latents")]

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "Settings":
        if self.batch_size % self.shards:
            raise ValueError(f"expected batch_size to be a multiple of shards ({self.shards})")
        return self

    @property
    def penalty_weights(self) -> dict[str, float]:
        """The weight of each penalty."""
        return {name: term.weight for name, term in self.penalties.items()}

    @property
    def images_per_step(self) -> int:
        """Real images that one step (d_steps steps of D and one of G) shows to D."""
        return self.d_steps * self.batch_size

    def images_shown(self, steps: int) -> int:
        """Real images shown to D in that many steps."""
        return steps * self.images_per_step

    def kimg_shown(self, steps: int) -> float:
        """The same in thousands."""
        return kimg_shown(steps, self.images_per_step)

    @property
    def total_steps(self) -> int:
        """The fewest steps that show at least total_kimg."""
        return math.ceil(self.total_kimg * 1000 / self.images_per_step)

    def steps_near(self, kimg: float) -> int:
        """The number of steps, at least 1, that come nearest to showing that many thousands of images."""
        return max(1, round(kimg * 1000 / self.images_per_step))

    def snapshots_due(self, steps: int) -> int:
        """How many multiples of snapshot_kimg have been reached after that many steps."""
        return math.floor(self.images_shown(steps) / (1000 * self.snapshot_kimg))
