"""Packs of images as channels, and the order in which a training sees packs."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.common import draws
from stages.gan.packing import PackOrder, batch_order, pack
from stages.gan.settings import Settings
from tests.gan.test_trainer import BATCH, SEED, SETTINGS

LABELS = torch.tensor([2, 0, 0, 1, 2, 2, 0, 2, 2, 0, 2, 2, 2])
"""Four of class 0, one of class 1, eight of class 2: at three a pack, 2 + 1 + 3 packs an epoch."""


def order(labels: Tensor = LABELS, packing: int = 3) -> PackOrder:
    return PackOrder(SEED, "test", labels, batch_size=BATCH, packing=packing)


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(SETTINGS | changes)


def test_neighbours_become_the_channels_of_one_image() -> None:
    images = torch.arange(6 * 2 * 3 * 4.0).view(6, 2, 3, 4)
    packs = pack(images, 3)
    assert packs.shape == (2, 6, 3, 4)
    assert torch.equal(packs[1, 2:4], images[4])
    assert pack(images, 1) is images
    channels_last = images.to(memory_format=torch.channels_last)
    assert torch.equal(pack(channels_last, 3), packs)


def test_all_images_of_a_pack_are_of_one_class() -> None:
    made = order()
    for batch in range(9):
        labels = LABELS[made.rows(batch)].view(-1, 3)
        assert labels.shape == (BATCH // 3, 3)
        assert (labels == labels[:, :1]).all()


def test_every_epoch_shows_every_digit_in_new_packs_and_repeats_only_what_fills_one() -> None:
    """Six packs of three an epoch, four a batch: three batches are two epochs."""
    made = order()
    rows = torch.cat([made.rows(batch) for batch in range(6)]).view(4, 18)
    for epoch in rows:
        counts = torch.bincount(epoch, minlength=len(LABELS))
        assert counts.min() == 1
        assert counts[LABELS == 0].sum() == 6
        assert counts[LABELS == 1].tolist() == [3]
        assert counts[LABELS == 2].sum() == 9
    packs = [{tuple(sorted(row.tolist())) for row in epoch.view(-1, 3)} for epoch in rows]
    assert packs[0] != packs[1]
    assert [made.epochs_done(batches) for batches in range(7)] == [0, 0, 1, 2, 2, 3, 4]


def test_rows_are_a_function_of_seed_and_batch() -> None:
    made = order()
    late = made.rows(5)
    assert torch.equal(order().rows(5), late)
    assert not torch.equal(PackOrder(SEED + 1, "test", LABELS, BATCH, 3).rows(5), late)


def test_without_packing_the_order_is_that_of_single_images() -> None:
    made = batch_order(settings(packing=1), LABELS)
    assert isinstance(made, draws.BatchOrder)
    assert torch.equal(made.rows(0), draws.permutation(SEED, "train_gan.order", 0, len(LABELS))[:BATCH])


@pytest.mark.parametrize("conditional", [True, False])
def test_packs_of_an_unconditional_gan_mix_the_classes(conditional: bool) -> None:
    """As G's images do, of which nobody knows a class."""
    made = batch_order(settings(packing=3, conditional=conditional), LABELS)
    labels = torch.cat([LABELS[made.rows(batch)].view(-1, 3) for batch in range(5)])
    assert bool((labels == labels[:, :1]).all()) is conditional
