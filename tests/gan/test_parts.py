"""Sums by a fixed tree, bit for bit, and the way of a network's tensors into one vector and back."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from stages.gan.parts import PartResult, flatten, left_parts, tree_sum, unflatten


def parts(count: int) -> list[Tensor]:
    """Vectors whose sum depends, in many entries, on the order of adding."""
    return [torch.linspace(0, 40 + index, 1000).sin() * 3**index for index in range(count)]


def test_tree_halves_and_the_first_half_is_the_larger() -> None:
    a, b, c, d, e, f, g, h = parts(8)
    assert torch.equal(tree_sum([a]), a)
    assert torch.equal(tree_sum([a, b]), a + b)
    assert torch.equal(tree_sum([a, b, c]), (a + b) + c)
    assert torch.equal(tree_sum([a, b, c, d]), (a + b) + (c + d))
    assert torch.equal(tree_sum([a, b, c, d, e]), ((a + b) + c) + (d + e))
    assert torch.equal(tree_sum([a, b, c, d, e, f, g, h]), ((a + b) + (c + d)) + ((e + f) + (g + h)))


def test_the_order_matters_for_these_vectors() -> None:
    """Without this, the test above would pass for any order."""
    a, b, c, d = parts(4)
    assert not torch.equal((a + b) + (c + d), ((a + b) + c) + d)
    assert not torch.equal((a + b) + (c + d), (a + c) + (b + d))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16])
def test_a_process_may_sum_its_own_half_first(count: int) -> None:
    vectors, middle = parts(count), left_parts(count)
    halves = [tree_sum(half) for half in (vectors[:middle], vectors[middle:]) if half]
    assert torch.equal(tree_sum(halves), tree_sum(vectors))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16])
def test_every_part_counts_once(count: int) -> None:
    assert_close(tree_sum(parts(count)), torch.stack(parts(count)).double().sum(0).float())


def tensors() -> list[Tensor]:
    image = torch.arange(120.0).view(2, 3, 4, 5)
    return [
        image.contiguous(memory_format=torch.channels_last),
        -image,
        torch.tensor(7.0),
        torch.arange(6.0).view(2, 3).T,
        torch.tensor([0.5, -1.25], dtype=torch.bfloat16),
        torch.empty(0),
    ]


def test_flatten_gives_all_entries_in_logical_order_as_float32_without_gradient() -> None:
    vector = flatten([tensor.requires_grad_() for tensor in tensors()])
    assert vector.dtype == torch.float32
    assert not vector.requires_grad
    assert vector.tolist() == [entry for tensor in tensors() for entry in tensor.reshape(-1).tolist()]


def test_unflatten_is_the_inverse_in_values_and_shapes() -> None:
    back = unflatten(flatten(tensors()), tensors())
    assert_close(back, [tensor.float() for tensor in tensors()], rtol=0, atol=0)


def test_a_result_keeps_its_fields_on_the_way_through_one_vector() -> None:
    """A figure taken for a statistic, or a statistic for a gradient, would show."""
    result = PartResult(gradients=tensors()[:3], statistics=tensors()[3:4], figures=torch.tensor([1.0, 2.0]))
    back = result.with_tensors(unflatten(flatten(result.tensors), result.tensors))
    for name in ("gradients", "statistics"):
        assert_close(list(getattr(back, name)), list(getattr(result, name)), rtol=0, atol=0)
    assert back.figures.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_vector_of_another_length_is_refused(extra: int) -> None:
    size = len(flatten(tensors()))
    with pytest.raises(RuntimeError):
        unflatten(torch.zeros(size + extra), tensors())
