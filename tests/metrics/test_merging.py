"""Moments of blocks, merged: those of all rows at once, and the same bits wherever the blocks were computed."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from stages.metrics.merging import Moments, merged_in_order


def rows(count: int) -> torch.Tensor:
    """Features far from 0 and hardly varying: sums of squares would lose half of their digits."""
    generator = np.random.default_rng(count)
    return torch.from_numpy(generator.normal(1000, 0.01, (count, 5)) @ generator.normal(size=(5, 5))).float()


@pytest.mark.parametrize(("count", "size"), [(2, 1), (7, 3), (1000, 1000), (1003, 10), (4096, 64)])
def test_merged_blocks_have_the_moments_of_all_rows(count: int, size: int) -> None:
    features = rows(count)
    merged = merged_in_order(Moments.of(block) for block in features.split(size))
    whole = features.double().numpy()
    assert merged.count == count
    np.testing.assert_allclose(merged.mean.numpy(), whole.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(merged.covariance.numpy(), np.cov(whole.T), rtol=1e-8, atol=1e-12)


def test_who_computes_the_blocks_changes_no_bit_and_their_order_does() -> None:
    blocks = rows(990).split(10)
    alone = merged_in_order(map(Moments.of, blocks))
    with ThreadPoolExecutor(3) as pool:
        together = merged_in_order(pool.map(Moments.of, blocks))
    assert torch.equal(alone.scatter, together.scatter)
    assert torch.equal(alone.mean, together.mean)
    assert not torch.equal(alone.scatter, merged_in_order(map(Moments.of, reversed(blocks))).scatter)


@pytest.mark.parametrize("count", [8, 11])
def test_the_tree_is_the_one_that_is_described(count: int) -> None:
    blocks = [Moments.of(block) for block in rows(10 * count).split(10)]
    pairs = [blocks[i].merged(blocks[i + 1]) for i in range(0, 8, 2)]
    eight = pairs[0].merged(pairs[1]).merged(pairs[2].merged(pairs[3]))
    rest = eight if count == 8 else eight.merged(blocks[8].merged(blocks[9]).merged(blocks[10]))
    assert torch.equal(merged_in_order(blocks).scatter, rest.scatter)
