"""Auxiliary objectives: their terms by closed forms, a step against a plain one, and that they teach what they say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.testing import assert_close

from stages.common.errors import UserError
from stages.common.images import ImageSet
from stages.gan import architectures, auxiliaries
from stages.gan.architectures import CODES
from stages.gan.auxiliaries import Objective, judged
from stages.gan.loop import HISTORY, Loop
from stages.gan.sampler import sampler_from
from stages.gan.team import Team
from stages.train_gan import build_loop
from tests.gan_params import gan_params

CLASSES, BATCH, Z_DIM = 3, 12, 5
NAMES = ["acgan", "infogan", "none"]
UNLABELLED = {"auxiliary": "infogan", "conditional": False}
SETTINGS: dict[str, Any] = {
    "network": "mlp",
    "g_hidden": [16],
    "d_hidden": [16],
    "penalties": {},
    "optimizer": "sgd",
    "betas": [0.0, 0.0],
    "auxiliary_weight": 0.7,
    "continuous_codes": 2,
    "z_dim": Z_DIM,
    "batch_size": BATCH,
    "shards": 1,
    "total_kimg": 12.0,
    "snapshot_kimg": 6.0,
    "lr_g": 0.1,
    "lr_d": 0.1,
    "lr_decay": 1.0,
}


def digits() -> ImageSet:
    """Images 4x8 with their class as a bright row."""
    y = torch.arange(30) % CLASSES
    images = torch.arange(30 * 32.0).mul(0.7).sin().view(30, 1, 4, 8) / 4
    images[torch.arange(30), 0, y] += 0.7
    return ImageSet(images, y, ["a", "b", "c"])


def training(**changes: Any) -> Loop:
    params, options = gan_params(None, **(SETTINGS | changes))
    return build_loop(params, options, digits(), torch.device("cpu"), Team(params.shards), [])


def objective(**changes: Any) -> Objective:
    params, _ = gan_params(None, **(SETTINGS | changes))
    return auxiliaries.load(params.auxiliary)(params, CLASSES)


def test_registry_is_the_listing_of_the_folder() -> None:
    files = Path(auxiliaries.__file__).with_name("auxiliary").glob("*.py")
    assert sorted(path.stem for path in files) == auxiliaries.names() == sorted(NAMES)
    listed = ", ".join(sorted(NAMES))
    with pytest.raises(UserError, match=rf"train_gan.auxiliary: expected one of {listed}, found 'vaegan'"):
        objective(auxiliary="vaegan")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auxiliary": "acgan", "conditional": False}, r"auxiliary: acgan .* expected conditional true, found false"),
        ({"auxiliary": "infogan"}, r"auxiliary: infogan .* expected conditional false, found true"),
        (UNLABELLED | {"packing": 2}, r"packing: .* infogan; expected 1, found 2"),
        (UNLABELLED | {"continuous_codes": 6}, r"continuous_codes: expected at most the 5 entries of z"),
    ],
)
def test_combinations_without_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"^params.yaml: train_gan.{message}"):
        objective(**changes)


def test_a_network_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="gives no features"):
        objective(auxiliary="acgan").attach(nn.Linear(2, 2), 0)


def test_terms_of_acgan() -> None:
    """-log of the probability of the class, of real and generated images for D, of the latter alone for G."""
    made, y, z = objective(auxiliary="acgan"), torch.tensor([2, 0]), torch.zeros(2, Z_DIM)
    real, fake = torch.tensor([[0.1, 0.2, 0.9], [2.0, 0, 1]]), torch.tensor([[0.0, 3, 1], [1.0, 1, 1]])
    of_real, of_fake = (-logits.softmax(1).log()[torch.arange(2), y] for logits in (real, fake))
    assert_close(made.d_terms(real, fake, y, z), 0.7 * (of_real + of_fake))
    assert_close(made.g_terms(fake, y, z), 0.7 * of_fake)


def test_terms_of_infogan() -> None:
    """Its negative log-likelihood up to a constant, by torch's own distributions; real images have no part in it."""
    made, y, z = objective(**UNLABELLED), torch.tensor([2, 0]), torch.arange(2.0 * Z_DIM).sin().view(2, Z_DIM)
    said = torch.arange(10.0).cos().view(2, 5)
    likelihood = torch.distributions.Categorical(logits=said[:, :3]).log_prob(y)
    normal = torch.distributions.Normal(said[:, 3:], 1.0)
    likelihood = likelihood + (normal.log_prob(z[:, :2]) - normal.log_prob(said[:, 3:])).sum(1)
    for terms in (made.g_terms(said, y, z), made.d_terms(said * 9, said, y, z)):
        assert_close(terms, -0.7 * likelihood)


def test_codes_are_uniform_and_a_function_of_the_batch() -> None:
    made, y = objective(**UNLABELLED), torch.zeros(3000, dtype=torch.int64)
    drawn = made.labels(4, y)
    assert torch.equal(made.labels(4, y), drawn)
    assert not torch.equal(made.labels(5, y), drawn)
    assert drawn.bincount().tolist() == pytest.approx([1000] * 3, rel=0.1)
    assert torch.equal(objective(auxiliary="acgan").labels(4, y), y)


@pytest.mark.parametrize("changes", [{"auxiliary": "acgan"}, UNLABELLED], ids=["acgan", "infogan"])
def test_a_step_is_gradient_descent_on_loss_and_terms(changes: dict[str, Any]) -> None:
    """Of D's own weights and the head's alike, then of G's, written out for the whole batch."""
    loop = training(**changes)
    trainer = loop.trainer
    (part,) = trainer.batches.parts(trainer.batches.draws(0, []), range(1))
    G, D, added, twin = trainer.G, trainer.D, trainer.auxiliary, training(**changes).trainer.G
    assert D.get_submodule("beside").num_classes == 0
    fake, before = twin(part.z, part.y), {name: p.detach().clone() for name, p in D.named_parameters()}
    assert any(name.startswith("auxiliary.") for name in before)

    hidden, last, head = (D.get_submodule(name) for name in ("body.0", "head", "auxiliary"))

    def said(images: Tensor) -> tuple[Tensor, Tensor]:
        features = F.leaky_relu(hidden(images.flatten(1)), 0.2)
        return last(features).squeeze(1), head(features)

    real_logits, real_said = said(part.real_images)
    fake_logits, fake_said = said(fake.detach())
    loss = F.softplus(-real_logits) + F.softplus(fake_logits) + added.d_terms(real_said, fake_said, part.y, part.z)
    gradients = torch.autograd.grad(loss.mean(), list(D.parameters()))
    expected_d = [p - 0.1 * g for p, g in zip(before.values(), gradients, strict=True)]
    loop.step()
    assert_close(list(D.parameters()), expected_d, check_stride=False)

    fake_logits, fake_said = said(fake)  # by the new D
    loss = F.softplus(-fake_logits) + added.g_terms(fake_said, part.y, part.z)
    gradients = torch.autograd.grad(loss.mean(), list(twin.parameters()))
    expected_g = [p - 0.1 * g for p, g in zip(twin.parameters(), gradients, strict=True)]
    assert_close(list(G.parameters()), expected_g, check_stride=False)


def recognised(loop: Loop) -> float:
    """The share of G's images whose class or category D's head finds."""
    y = torch.arange(300) % CLASSES
    z = torch.randn(300, Z_DIM, generator=torch.Generator().manual_seed(1))
    _, said = judged(loop.trainer.D, loop.trainer.G(z, y), y)
    return (said[:, :CLASSES].argmax(1) == y).float().mean().item()


LEARNING = {"optimizer": "adam", "lr_g": 0.01, "lr_d": 0.01, "betas": [0.5, 0.99]}


def after(steps: int, loop: Loop) -> tuple[float, float]:
    """After that many steps, of G's images: how many D's head finds the code of, and how many have its bright row."""
    for _ in range(steps):
        loop.step()
    y = torch.arange(300) % CLASSES
    images = loop.trainer.G(torch.randn(300, Z_DIM, generator=torch.Generator().manual_seed(1)), y)
    _, said = judged(loop.trainer.D, images, y)
    found, bright = said[:, :CLASSES].argmax(1), images[:, 0, :CLASSES].mean(2).argmax(1)
    return (found == y).float().mean().item(), (bright == y).float().mean().item()


def test_acgan_teaches_g_the_class_that_is_asked_for() -> None:
    loop = training(auxiliary="acgan", **LEARNING)
    assert max(after(0, loop)) < 0.6
    assert min(after(100, loop)) > 0.9


def test_infogan_teaches_d_and_g_to_agree_on_the_codes() -> None:
    """Which category becomes which class is their own choice."""
    loop = training(**UNLABELLED, **LEARNING)
    assert after(0, loop)[0] < 0.6
    assert after(100, loop)[0] > 0.9


def test_infogan_ends_with_a_picture_of_each_continuous_code() -> None:
    loop = training(**UNLABELLED, total_kimg=0.024, snapshot_kimg=0.012)
    while not loop.is_done:
        loop.step()
    names = loop.names_due(loop.steps_done)
    assert sorted(names) == sorted(name for name in loop.journal.names() if not name.startswith(HISTORY))
    assert {"picture.code_1.png", "picture.code_2.png"} < set(names)
    assert loop.journal.read("picture.code_1.png") != loop.journal.read("picture.code_2.png")


def test_samples_of_codes_have_no_class_but_depend_on_the_code() -> None:
    loop = training(**UNLABELLED)
    assert loop.meta[CODES]
    sampler = sampler_from(loop.trainer.ema.state_dict(), loop.meta, 0, "generator")
    assert sampler.num_classes == 0
    z = sampler.latents("z", 2)
    assert not torch.equal(*(sampler.images(z, torch.full((2,), code)) for code in (0, 1)))
    assert CODES not in training().meta


def test_d_without_a_head_says_nothing_beside_its_logits() -> None:
    _, D = architectures.build_players("mlp", training().meta["arguments"], 0)
    logits, said = judged(D, digits().images, digits().labels)
    assert torch.equal(logits, D(digits().images, digits().labels))
    assert said.shape == (30, 0)
