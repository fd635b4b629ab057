"""What the monitor reads from a training: directions on networks made for the purpose, and that it changes nothing."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from stages import train_gan
from stages.common.images import ImageSet
from stages.gan.loop import LOOK, Loop
from stages.gan.monitor import Monitor
from stages.gan.signs import GoneWrongError
from stages.gan.team import Team
from tests.gan_params import gan_params
from tools.profiles import TRAINING


class Fixed(nn.Module):
    """A generator that always gives the same images, whatever the latents and labels."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.images[: len(z)] if len(self.images) > 1 else self.images.expand(len(z), -1, -1, -1)


class Judge(nn.Module):
    """A discriminator by a function of the images."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        return self.weight * images.flatten(1)[:, 0]


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    """Each class is a grey of its own, and noise around it; the first pixel is always 1."""
    labels = torch.arange(600) % 3
    noise = torch.randn(600, 1, 4, 4, generator=torch.Generator().manual_seed(1)) / 10
    images = (labels.view(-1, 1, 1, 1) - 1) * 0.6 + noise
    images[:, 0, 0, 0] = 1
    return ImageSet(images.clamp(-1, 1), labels, ["a", "b", "c"])


def monitor(digits: ImageSet, conditional: bool = True, held_out: ImageSet | None = None, **changes: object) -> Monitor:
    params, options = gan_params(TRAINING, conditional=conditional, width=4, **changes)
    loop = train_gan.build_loop(params, options, digits, torch.device("cpu"), Team(params.shards), [])
    return Monitor(loop.trainer, digits, held_out)


def with_samples(watcher: Monitor, images: Tensor, d_weight: float = 0.0) -> Monitor:
    """The monitor with a G that gives these images in blocks of one, and a D that looks at the first pixel."""
    watcher.trainer.G, watcher.trainer.D = Fixed(images), Judge(d_weight)
    return watcher


def test_samples_that_are_the_real_images_vary_as_these_do(digits: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = monitor(digits)
    monkeypatch.setattr("stages.gan.monitor.in_blocks", lambda net, z, y: watcher.real.images.clone())
    reading = watcher.look(1.0)
    assert reading.kimg == 1.0
    assert (reading.spread, reading.nearest, reading.sharpness, reading.weakest_class) == (1.0, 1.0, 1.0, 1.0)


def test_packs_of_a_thousand_classes_are_whole_and_of_one_class() -> None:
    """A few images of each are more than two, which is a thousandth of what a look takes."""
    labels = torch.arange(4000) % 1000
    images = torch.zeros(4000, 1, 4, 4)
    digits = ImageSet(images, labels, [f"{number:03}" for number in range(1000)])
    watcher = monitor(digits, packing=3, batch_size=12, penalties={})
    packs = watcher.real.labels.view(-1, 3)
    assert len(packs) > 600
    assert packs.eq(packs[:, :1]).all()


def test_blurred_samples_are_less_sharp(digits: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = monitor(digits)
    blurred = nn.functional.avg_pool2d(watcher.real.images, 3, stride=1, padding=1)
    monkeypatch.setattr("stages.gan.monitor.in_blocks", lambda net, z, y: blurred)
    assert watcher.look(1.0).sharpness < 0.5


@pytest.mark.parametrize("conditional", [True, False])
def test_packs_are_judged_as_in_training(conditional: bool, digits: ImageSet) -> None:
    reading = monitor(digits, conditional=conditional, packing=3, batch_size=36, penalties={}).look(1.0)
    assert reading.d_slope > 0
    assert reading.g_slope > 0


def test_one_image_for_all_has_no_variation_and_loses_the_other_classes(digits: ImageSet) -> None:
    reading = with_samples(monitor(digits), digits.images[:1]).look(1.0)
    assert reading.spread == 0
    assert reading.nearest < 1e-3
    assert reading.weakest_class == 0


def test_an_unconditional_training_is_asked_for_the_shares_of_all(digits: ImageSet) -> None:
    watcher = monitor(digits, conditional=False)
    rows = torch.arange(len(watcher.real)) % 100
    reading = with_samples(watcher, digits.images[digits.labels != 1][rows]).look(1.0)
    assert reading.weakest_class == 0


@pytest.mark.parametrize(("weight", "slope"), [(0.0, 0.5), (50.0, 0.0)])
def test_a_d_that_is_sure_has_no_slope_left(weight: float, slope: float, digits: ImageSet) -> None:
    """At logits of 0 both slopes of the cross-entropy are 0.5; far apart they are 0."""
    reading = with_samples(monitor(digits), -torch.ones(1, 1, 4, 4), weight).look(1.0)
    assert reading.d_slope == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(("loss", "slope"), [("minimax", 0.0), ("non_saturating", 50.0)])
def test_a_d_that_is_sure_leaves_g_a_gradient_by_the_loss(loss: str, slope: float, digits: ImageSet) -> None:
    """The minimax loss is flat there, which is why the other was made."""
    reading = with_samples(monitor(digits, loss=loss), -torch.ones(1, 1, 4, 4), 50.0).look(1.0)
    assert reading.g_slope == pytest.approx(slope, abs=1e-6)


def test_memorising_is_the_way_of_held_out_images_from_training_ones_to_samples(digits: ImageSet) -> None:
    held_out = ImageSet(digits.images.clone(), digits.labels, digits.classes)
    held_out.images[:, 0, 0, 0] = 0.5 + 0.01 * torch.arange(600) % 0.02  # a spread, for the standard error
    reading = with_samples(monitor(digits, held_out=held_out), -torch.ones(1, 1, 4, 4), 1.0).look(1.0)
    mean = held_out.images[:500, 0, 0, 0].double().mean().item()
    assert reading.memorised == pytest.approx((1 - mean) / 2, rel=1e-4)
    assert reading.memorised_z > 100
    assert math.isnan(with_samples(monitor(digits), -torch.ones(1, 1, 4, 4), 1.0).look(1.0).memorised)


def training(digits: ImageSet, **changes: object) -> Loop:
    params, options = gan_params(TRAINING, **changes)
    return train_gan.build_loop(params, options, digits, torch.device("cpu"), Team(params.shards), [])


def all_steps(loop: Loop) -> None:
    while not loop.is_done:
        loop.step()


def test_looks_change_nothing_of_a_training(digits: ImageSet) -> None:
    often, seldom = (training(digits, total_kimg=0.4, snapshot_kimg=kimg) for kimg in (0.04, 1.0))
    for loop in (often, seldom):
        all_steps(loop)
    assert len(often.journal.names(LOOK)) == 10
    states = [loop.trainer.state() for loop in (often, seldom)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert often.trainer.G.training


def test_a_training_that_collapses_is_stopped_if_the_params_ask_for_it(digits: ImageSet) -> None:
    """A G whose weights no longer count gives one image for all latents."""
    loop = training(digits, total_kimg=0.4, snapshot_kimg=0.04, on_collapse="stop", conditional=False)
    loop.watch.monitor.z = torch.ones_like(loop.watch.monitor.z)
    with pytest.raises(GoneWrongError, match=r"collapse at 0\.\d+ kimg: samples are too much alike"):
        all_steps(loop)
    assert not loop.is_done


def test_a_generator_carries_the_signs_of_its_last_look(digits: ImageSet) -> None:
    loop = training(digits, total_kimg=0.4, snapshot_kimg=0.04, conditional=False)
    loop.watch.monitor.z = torch.ones_like(loop.watch.monitor.z)
    all_steps(loop)
    (remark,) = loop.remarks()["remarks"]
    assert remark.startswith("collapse at 0.4 kimg")
    assert dataclasses.asdict(loop.watch.look(1.0))["new"] == []
