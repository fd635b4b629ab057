"""What is counted of a step, in closed form."""

import torch

from tools.bench.count import Count


def test_products_are_counted_by_their_arithmetic_and_views_apart() -> None:
    left, right = torch.ones(2, 3), torch.ones(3, 4)
    with Count() as count:
        (left @ right).t()
    assert (count.flop, count.operations, count.views) == (2 * 2 * 3 * 4, 1, 1)


def test_what_is_no_product_has_no_flop() -> None:
    values = torch.ones(5)
    with Count() as count:
        values.add(1)
    assert (count.flop, count.operations, count.views) == (0, 1, 0)
