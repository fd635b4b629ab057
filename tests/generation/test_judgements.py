"""What a discriminator that was made by hand says, its probabilities, packs, and files that hold none."""

import io
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.common.errors import UserError
from stages.common.files import read_tensors, write_tensors
from stages.common.images import NO_LABEL, ImageSet
from stages.common.initialise import initialise
from stages.gan import architectures
from stages.gan.auxiliaries import HEAD
from stages.gan.losses import LOSSES
from stages.generation.judgements import Judge, has_probability, histogram, packed, probability_ticks, read_judge

LOGITS = torch.tensor([-2.0, -1.0, 0.0, 0.0, 1.0, 3.0])


class Corner(nn.Module):
    """Says what the level of an image's corner is, and a hundred for each label above."""

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        return images[:, :, 0, 0].sum(dim=1) + 100 * y


def images_with(corners: Tensor, labels: list[int], num_classes: int = 3) -> ImageSet:
    images = torch.zeros(len(corners), 1, 8, 8)
    images[:, 0, 0, 0] = corners
    return ImageSet(images, torch.tensor(labels), [str(label) for label in range(num_classes)])


def judge(packing: int = 1, of_one_class: bool = True, net: nn.Module | None = None) -> Judge:
    return Judge(net or Corner(), packing, of_one_class, Path("D"))


def test_logits_are_those_of_each_image_with_its_own_class() -> None:
    images = images_with(LOGITS, [0, 1, 2, 0, 1, 2])
    assert judge().logits(images).tolist() == [-2, 99, 200, 0, 101, 203]


def test_probabilities_of_known_logits() -> None:
    """sigmoid(ln 3) is 3/4, sigmoid(-ln 3) is 1/4."""
    odds = torch.tensor([math.log(3), math.log(3), -math.log(3), -math.log(3)])
    figure = histogram({"samples": odds[2:], "digits": odds}, as_odds=True)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert texts == ["samples, mean probability 0.25", "digits, mean probability 0.50"]
    (top,) = figure.axes[0].child_axes
    ticks = dict(zip([label.get_text() for label in top.get_xticklabels()], top.get_xticks(), strict=True))
    assert ticks["0.5"] == 0
    assert ticks["0.25"] == pytest.approx(-math.log(3), rel=1e-5)
    assert top.get_xlabel().startswith("probability")


def test_bars_are_percent_of_each_set_and_hold_those_far_out() -> None:
    far = torch.tensor([0.0, 0.0, 0.0, 1e6])
    axes = histogram({"samples": far, "digits": torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0])}, as_odds=False).axes[0]
    assert axes.child_axes == []
    texts = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert texts == ["samples, mean 250000.00", "digits, mean 0.60"]
    digits, samples = (np.asarray(patch.get_path().vertices)[:, 1] for patch in axes.patches)
    digits, samples = sorted((digits, samples), key=max, reverse=True)
    assert samples.max() == pytest.approx(75)
    assert digits.max() == pytest.approx(100)
    assert samples[samples > 0].min() == pytest.approx(25)


def test_a_d_of_a_loss_that_is_not_known_shows_logits_and_says_so() -> None:
    axes = histogram({"samples": LOGITS, "digits": LOGITS + 1}, as_odds=None).axes[0]
    assert axes.child_axes == []
    texts = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert texts == ["samples, mean 0.17", "digits, mean 1.17"]
    assert axes.get_xlabel().endswith("(no probability: the loss that trained it is not known)")


def test_a_d_that_says_the_same_of_all_can_be_drawn() -> None:
    histogram({"samples": torch.zeros(5), "digits": torch.zeros(5)}, as_odds=True).savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize(("low", "high", "expected"), [(-0.3, 0.3, 3), (-2.5, 2.5, 5), (-8, 8, 7), (3, 3.5, 0)])
def test_ticks_are_probabilities_that_leave_each_other_room(low: float, high: float, expected: int) -> None:
    ticks = probability_ticks(low, high)
    assert len(ticks) >= expected
    places = sorted(ticks)
    assert all(second - first >= (high - low) / 15 for first, second in pairwise(places))
    for logit, text in ticks.items():
        assert 1 / (1 + math.exp(-logit)) == pytest.approx(float(text))


def test_losses_whose_logits_are_odds() -> None:
    assert {name for name, loss in LOSSES.items() if has_probability(loss)} == {"minimax", "non_saturating"}


# --- packs ---


def test_packs_hold_neighbours_of_one_class() -> None:
    images = images_with(torch.arange(7.0), [0, 1, 0, 1, 0, 1, 2])
    packs, labels = packed(images, 2, of_one_class=True)
    assert packs.shape == (2, 2, 8, 8)
    assert packs[:, :, 0, 0].tolist() == [[0, 2], [1, 3]]  # the third of each class has no partner
    assert labels.tolist() == [0, 1]
    assert judge(packing=2).logits(images).tolist() == [2, 104]


def test_packs_of_an_unconditional_d_are_of_any_class() -> None:
    images = images_with(torch.arange(7.0), [NO_LABEL] * 7)
    packs, _ = packed(images, 3, of_one_class=False)
    assert packs[:, :, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_too_few_images_for_a_pack_are_refused() -> None:
    with pytest.raises(UserError, match=r"^D: expected packs of 2 images of a class, found too few .*num_images"):
        judge(packing=2).logits(images_with(LOGITS[:3], [0, 1, 2]))


def test_logits_that_are_no_numbers_are_refused() -> None:
    images = images_with(torch.tensor([1.0, math.inf]), [0, 0])
    with pytest.raises(UserError, match=r"^D: expected a discriminator of images, found logits that are not numbers"):
        judge().logits(images)


# --- files ---

CLASSES = ["0", "1", "2"]
ARGUMENTS: dict[str, Any] = {"image_shape": [1, 8, 8], "num_classes": 3, "z_dim": 4, "width": 2}


def save_discriminator(path: Path, **changes: Any) -> None:
    arguments = ARGUMENTS | changes
    net = architectures.load("dcgan").Discriminator(**arguments)
    initialise(net, 1, "D")
    write_tensors(path, net.state_dict(), {"network": "dcgan", "arguments": arguments, "classes": CLASSES})


@pytest.mark.parametrize(("changes", "packing"), [({}, 1), ({"num_classes": 0}, 1), ({"image_shape": [3, 8, 8]}, 3)])
def test_a_stored_d_judges_as_it_did(changes: dict[str, Any], packing: int, tmp_path: Path) -> None:
    path = tmp_path / "train_gan" / "discriminator.safetensors"
    save_discriminator(path, **changes)
    images = images_with(torch.linspace(-1, 1, 6), [0, 0, 0, 1, 1, 1])
    stored = read_judge(path, images, "num_classes" not in changes)
    assert (stored.packing, stored.of_one_class) == (packing, "num_classes" not in changes)
    twin = architectures.load("dcgan").Discriminator(**ARGUMENTS | changes).eval()
    twin.load_state_dict(read_tensors(path)[0])
    packs, labels = packed(images, packing, stored.of_one_class)
    torch.testing.assert_close(stored.logits(images), twin(packs, labels).detach())


@pytest.mark.parametrize(("of_one_class", "packs"), [(True, [[0, 2, 4], [1, 3, 5]]), (False, [[0, 1, 2], [3, 4, 5]])])
def test_a_d_without_classes_judges_packs_as_its_training_made_them(
    of_one_class: bool, packs: list[list[int]], tmp_path: Path
) -> None:
    """The D of ACGAN is given no class, but packs of one: that of its G."""
    path = tmp_path / "discriminator.safetensors"
    save_discriminator(path, image_shape=[3, 8, 8], num_classes=0)
    images = images_with(torch.linspace(-1, 1, 6), [0, 1] * 3)
    stored = read_judge(path, images, of_one_class)
    expected = stored.net(images.images[torch.tensor(packs)].squeeze(2), torch.zeros(2, dtype=torch.int64)).detach()
    torch.testing.assert_close(stored.logits(images), expected)


def test_the_head_of_an_auxiliary_objective_has_no_part_in_the_logits(tmp_path: Path) -> None:
    plain, with_head = tmp_path / "plain.safetensors", tmp_path / "with_head.safetensors"
    save_discriminator(plain)
    tensors, meta = read_tensors(plain)
    write_tensors(with_head, tensors | {f"{HEAD}.weight": torch.ones(3, 8)}, meta)
    images = images_with(torch.linspace(-1, 1, 6), [0, 0, 0, 1, 1, 1])
    with_it, without = (read_judge(path, images, of_one_class=True).logits(images) for path in (with_head, plain))
    assert torch.equal(with_it, without)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": [1, 12, 8]}, r"expected image shape \[1, 8, 8\], found \[1, 12, 8\]"),
        ({"num_classes": 2}, "expected num_classes 3, found 2"),
        ({"width": "wide"}, "holds no discriminator that this code can rebuild .*; dvc repro train_gan"),
    ],
)
def test_a_file_for_other_images_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "train_gan" / "discriminator.safetensors"
    save_discriminator(path, **{key: value for key, value in changes.items() if key != "width"})
    if "width" in changes:
        tensors, meta = read_tensors(path)
        write_tensors(path, tensors, meta | {"arguments": ARGUMENTS | changes})
    with pytest.raises(UserError, match=message) as caught:
        read_judge(path, images_with(LOGITS, [0, 1, 2, 0, 1, 2]), of_one_class=True)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_d_of_another_run_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "init" / "earlier" / "discriminator.safetensors"
    with pytest.raises(UserError, match=r"earlier/discriminator\.safetensors is missing; `dvc pull"):
        read_judge(path, images_with(LOGITS, [0] * 6), of_one_class=True)
