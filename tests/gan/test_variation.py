"""How much images vary: closed forms, and directions."""

import math

import pytest
import torch

from stages.gan.variation import class_means, first_of_each_class, nearest, nearest_class, sharpness, spread, typical


def images(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).view(len(rows), 1, 1, -1)


def test_the_first_images_of_each_class_in_order_of_the_classes() -> None:
    labels = torch.tensor([2, 0, 2, 1, 2, 0])
    assert first_of_each_class(labels, 2).tolist() == [1, 5, 3, 0, 2]
    assert first_of_each_class(labels, 3, multiple=2).tolist() == [1, 5, 0, 2]


def test_the_spread_is_the_variance_within_groups() -> None:
    values = images([0.0, 1.0], [2.0, 1.0], [10.0, 0.0], [10.0, 4.0], [99.0, 99.0])
    # Variances of the pixels: 2 and 0, then 0 and 8; the last group has one image alone.
    assert spread(values, torch.tensor([0, 0, 1, 1, 2])) == pytest.approx((1 + 4) / 2)


def test_the_distance_to_the_nearest_is_within_groups() -> None:
    values = images([0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [0.0, 0.5])
    # In the first group 0-2 are 1 apart, and 1 is sqrt(18) from 2; the last image has no other beside it.
    assert nearest(values, torch.tensor([0, 0, 0, 1])) == pytest.approx((1 + math.sqrt(18) + 1) / 3, rel=1e-6)


def test_the_sharpness_is_the_mean_square_of_differences_to_the_right_and_below() -> None:
    values = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    assert sharpness(values) == pytest.approx((1 + 9) / 2 + (0 + 4) / 2)


def test_copies_have_no_distance_and_no_spread() -> None:
    same = images([0.3, 0.7]).expand(5, 1, 1, 2)
    assert nearest(same, torch.zeros(5)) == spread(same, torch.zeros(5)) == 0


def test_without_two_images_of_a_group_there_is_nothing_to_see() -> None:
    assert math.isnan(nearest(images([1.0], [2.0]), torch.tensor([0, 1])))
    assert math.isnan(spread(images([1.0], [2.0]), torch.tensor([0, 1])))


def test_the_nearest_mean_is_that_of_euclidean_distance() -> None:
    generator = torch.Generator().manual_seed(1)
    means, points = torch.randn(4, 6, generator=generator), torch.randn(50, 1, 2, 3, generator=generator)
    assert nearest_class(points, means).tolist() == torch.cdist(points.flatten(1), means).argmin(dim=1).tolist()


def test_a_class_without_images_is_nobodys_nearest() -> None:
    means = class_means(images([1.0], [3.0], [9.0]), torch.tensor([0, 0, 2]), 3)
    assert means.flatten().tolist() == [2.0, math.inf, 9.0]
    assert nearest_class(images([5.0], [6.0]), means).tolist() == [0, 2]


def test_shares_of_typical_images_by_label_or_of_all() -> None:
    means, values = torch.tensor([[0.0], [10.0], [20.0]]), images([1.0], [2.0], [9.0], [11.0])
    labels = torch.tensor([0, 1, 1, 1])
    assert typical(values, labels, means, by_label=True)[:2].tolist() == pytest.approx([1.0, 2 / 3])
    assert typical(values, labels, means, by_label=True)[2].isnan()
    assert typical(values, labels, means, by_label=False).tolist() == [0.5, 0.5, 0.0]
