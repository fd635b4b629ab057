"""Draws against Philox itself, and the properties that the pipeline's exactness rests on."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.common import draws

MASK = 2**64 - 1

DRAWS: dict[str, Callable[[int, str, int], Tensor]] = {
    "normal": lambda seed, purpose, index: draws.normal(seed, purpose, index, (16,)),
    "uniform": lambda seed, purpose, index: draws.uniform(seed, purpose, index, (16,)),
    "integers": lambda seed, purpose, index: draws.integers(seed, purpose, index, 1000, (16,)),
    "permutation": lambda seed, purpose, index: draws.permutation(seed, purpose, index, 16),
}
any_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox-4x64-10 as in Salmon et al. 2011, section 4.3, in plain integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        low_product, high_product = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [
            (high_product >> 64) ^ c[1] ^ k[0],
            high_product & MASK,
            (low_product >> 64) ^ c[3] ^ k[1],
            low_product & MASK,
        ]
        k = [(k[0] + 0x9E3779B97F4A7C15) & MASK, (k[1] + 0xBB67AE8584CAA73B) & MASK]
    return c


def test_reference_gives_the_published_answer() -> None:
    # kat_vectors of the authors' Random123, philox4x64 10, all zeros.
    assert [f"{word:016x}" for word in philox([0] * 4, [0] * 2)] == [
        "16554d9eca36314c",
        "db20fe9d672d0fdc",
        "d7e772cee186176b",
        "7e68b68aec7ba23b",
    ]


@pytest.mark.parametrize("index", [0, 1, 10**6])
def test_generator_is_philox_with_the_index_in_a_high_word(index: int) -> None:
    key = list(draws._key(5, "z"))
    # numpy steps the counter before its first block.
    expected = philox([1, 0, index, 0], key) + philox([2, 0, index, 0], key)
    assert draws.generator(5, "z", index).bit_generator.random_raw(8).tolist() == expected


@any_draw
def test_draw_is_a_function_of_its_arguments(draw: Callable[[int, str, int], Tensor]) -> None:
    first = draw(5, "z", 3)
    draw(6, "other", 4)
    assert torch.equal(draw(5, "z", 3), first)


@any_draw
@pytest.mark.parametrize(
    "other",
    [(6, "z", 3), (5 + 2**32, "z", 3), (5, "order", 3), (5, "z", 4)],
    ids=["seed", "high half of the seed", "purpose", "index"],
)
def test_draw_differs_with_each_argument(draw: Callable[[int, str, int], Tensor], other: tuple[int, str, int]) -> None:
    assert not torch.equal(draw(5, "z", 3), draw(*other))


@pytest.mark.parametrize("shorter", [1, 10, 16, 39])
def test_longer_draw_begins_with_the_shorter(shorter: int) -> None:
    for draw in (draws.normal, draws.uniform):
        assert torch.equal(draw(5, "z", 0, (40,))[:shorter], draw(5, "z", 0, (shorter,)))
    integers = draws.integers(5, "z", 0, 10, (40,))
    assert torch.equal(integers[:shorter], draws.integers(5, "z", 0, 10, (shorter,)))


def test_distributions() -> None:
    n = 100_000
    normal = draws.normal(0, "test", 0, (n,)).double()
    uniform = draws.uniform(0, "test", 0, (n,))
    counts = draws.integers(0, "test", 0, 10, (n,)).bincount()
    # Five standard errors.
    assert abs(normal.mean()) < 5 / n**0.5
    assert abs(normal.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs(uniform.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert len(counts) == 10
    assert (counts - n / 10).abs().max() < 5 * (n * 0.09) ** 0.5


def test_dtypes_and_shapes() -> None:
    found = [draws.normal(0, "t", 0, (2, 3)), draws.uniform(0, "t", 0, (2, 3)), draws.integers(0, "t", 0, 5, (2, 3))]
    assert [draw.dtype for draw in found] == [torch.float32, torch.float32, torch.int64]
    assert {draw.shape for draw in found} == {torch.Size([2, 3])}


def test_row_depends_on_its_own_index_only() -> None:
    rows = draws.normal_rows(5, "z", range(10), 8)
    assert rows.shape == (10, 8)
    assert torch.equal(draws.normal_rows(5, "z", range(7, 9), 8), rows[7:9])
    assert len({tuple(row.tolist()) for row in rows}) == 10
    assert torch.equal(rows, torch.stack([draws.normal(5, "z", index, (8,)) for index in range(10)]))
    assert draws.normal_rows(5, "z", [], 8).shape == (0, 8)


def test_draws_leave_global_generators_alone() -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=False)
    DRAWS["normal"](0, "test", 0)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert str(np.random.get_state(legacy=False)) == str(numpy_state)


@pytest.mark.parametrize(("n", "batch_size"), [(10, 4), (12, 4), (7, 7), (3, 8)])
def test_batches_are_full_and_cover_each_epoch_once(n: int, batch_size: int) -> None:
    order = draws.BatchOrder(5, "order", n, batch_size)
    batches = [order.rows(step) for step in range(5 * n)]
    assert {len(batch) for batch in batches} == {batch_size}
    epochs = torch.cat(batches).split(n)
    assert all(sorted(epoch.tolist()) == list(range(n)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) > 1


def test_batch_is_the_same_whatever_was_asked_before() -> None:
    walked = draws.BatchOrder(5, "order", 10, 4)
    batches = [walked.rows(step) for step in range(20)]
    for step in (19, 3, 11):
        assert torch.equal(draws.BatchOrder(5, "order", 10, 4).rows(step), batches[step])
        assert torch.equal(walked.rows(step), batches[step])


@pytest.mark.parametrize(("steps", "epochs"), [(0, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_epochs_done(steps: int, epochs: int) -> None:
    assert draws.BatchOrder(5, "order", 10, 4).epochs_done(steps) == epochs
