"""Truncated samples of a generator that was made by hand: nearer to each other, and the figures say so."""

import io
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from stages.classifier.model import Classifier, finite_features
from stages.common import draws
from stages.common.images import to_float, to_levels
from stages.common.initialise import initialise
from stages.gan.sampler import Sampler
from stages.generation.subject import Subject
from stages.generation.tradeoff import FIGURES, Yardstick, measure, settings

COUNT = 120


class Plain(nn.Module):
    """The latent as an image of 8 x 8, whose length counts."""

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return (z / 3).clamp(-1, 1).view(-1, 1, 8, 8) + 0 * y.view(-1, 1, 1, 1)


def subject() -> Subject:
    return Subject(Sampler(Plain(), 64, 2, seed=1, source="plain"), ["a", "b"], [0, 1], numbers=[])


def real_images() -> Tensor:
    """Images of the same distribution, as files hold them."""
    return to_float(to_levels((draws.normal(7, "real", 0, (COUNT, 64)) / 3).clamp(-1, 1).view(-1, 1, 8, 8)))


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    classifier = Classifier([1, 8, 8], 2, 4, 64)
    initialise(classifier, 1, "classifier")
    classifier.eval()
    source = Path("classifier")
    return Yardstick(classifier, source, finite_features(classifier, real_images(), source), 3, {})


def test_real_images_in_the_samples_place_are_perfect(yardstick: Yardstick) -> None:
    *shares, distance = yardstick.figures(real_images())
    assert shares == [1, 1, 1]
    assert abs(distance) < 1e-6


@pytest.mark.parametrize(("way", "amounts"), [("cut", [0.05, 0.5, 4.0]), ("pull", [0.0, 0.5, 0.9])])
def test_stronger_truncation_costs_recall(way: str, amounts: list[float], yardstick: Yardstick) -> None:
    tables, _ = measure(
        settings(subject(), **{f"{name}s": amounts if name == way else [] for name in ("cut", "pull")}), yardstick
    )
    table = tables[way].sort_values(way)
    assert list(table.columns) == [way, *FIGURES]
    assert table[way].tolist() == amounts
    recalls = table["recall"].tolist()[:: 1 if way == "cut" else -1]  # from the strongest to none
    assert recalls[0] < recalls[1] <= recalls[2]


def test_the_weakest_settings_are_the_samples_themselves(yardstick: Yardstick) -> None:
    tables, picture = measure(settings(subject(), [10.0], [0.0]), yardstick)
    plain = yardstick.figures(subject().images(subject().latents(range(COUNT)), subject().labels_of(COUNT)))
    assert tables["pull"].iloc[0].tolist() == [0.0, *plain]
    assert tables["cut"].iloc[0].tolist()[1:] == pytest.approx(plain, rel=0.02)
    pixels = np.asarray(Image.open(io.BytesIO(picture)))
    assert pixels.shape[0] == 2 * (4 * 8 + 2) + 2  # a row a setting


def test_of_each_setting_only_the_samples_that_are_shown_stay_in_memory(
    yardstick: Yardstick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the settings before, all samples are gone by the time that those of the next but one are made."""
    made: list[weakref.ref[np.ndarray]] = []
    drawn = Subject.images

    def counted(self: Subject, z: Tensor, labels: Sequence[int]) -> Tensor:
        assert [array() for array in made[:-1]] == [None] * len(made[:-1])
        images = drawn(self, z, labels).numpy().copy()
        made.append(weakref.ref(images))
        return torch.from_numpy(images)

    monkeypatch.setattr(Subject, "images", counted)
    measure(settings(subject(), [0.5, 1.0, 2.0], [0.0]), yardstick)
    assert len(made) == 4


def test_a_pull_turns_latents_to_the_typical_one_of_their_class() -> None:
    whole = subject()
    full = Subject(whole.sampler, whole.classes, whole.labels, [], pull=1.0)
    images = full.images(full.latents(range(6)), [0, 1] * 3).flatten(1)
    directions = nn.functional.normalize(images, dim=1)
    torch.testing.assert_close(directions[::2], directions[:1].expand(3, -1), rtol=0, atol=1e-3)
    half = Subject(whole.sampler, whole.classes, whole.labels, [], pull=0.5)
    z = half.latents(range(6))
    turned = half.images(z, [0, 1] * 3).flatten(1) * 3
    cosines = nn.functional.cosine_similarity(turned, images, dim=1)
    assert (cosines > nn.functional.cosine_similarity(z, images, dim=1)).all()
    torch.testing.assert_close(turned.norm(dim=1), z.norm(dim=1), rtol=0.02, atol=0)


class Two(nn.Module):
    """Label 0 has its ink on the left, label 1 on the right, so that other latents are typical of each."""

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        seen = torch.where((torch.arange(64) < 32) == (y == 0)[:, None], z, 0)
        return (seen / 3).clamp(-1, 1).view(-1, 1, 8, 8)


def test_each_code_has_the_typical_latent_that_a_class_would_have() -> None:
    """The sampler of InfoGAN counts no classes, but its generator reads codes."""
    plain = Subject(Sampler(Two(), 64, 2, 1, "two"), ["a", "b"], [0, 1], [], pull=0.7)
    codes = Subject(Sampler(Two(), 64, 0, 1, "two"), ["a", "b"], [0, 1], [], pull=0.7, num_codes=2)
    z = plain.latents(range(4))
    assert torch.equal(codes.images(z, [0, 1] * 2), plain.images(z, [0, 1] * 2))
    unlabelled = replace(codes, num_codes=0, typical={})
    assert not torch.equal(unlabelled.images(z, [1] * 4), plain.images(z, [1] * 4))


def test_an_image_is_pulled_alike_however_many_there_are() -> None:
    pulled = Subject(subject().sampler, ["a", "b"], [0, 1], [], pull=0.4)
    many = pulled.images(pulled.latents(range(30)), pulled.labels_of(30))
    assert torch.equal(pulled.images(pulled.latents([29]), [1]), many[29:])
