"""The kernel distance against its definition, torch-fidelity's KID and the spread of repeated draws."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics import kernel
from stages.metrics.kernel import kernel_distance, kernel_sums, leave_one_out, sums_within

F = 4


def normal(purpose: str, rows: int, index: int = 0) -> Tensor:
    return draws.normal(0, purpose, index, (rows, F))


def slow_mmd2(x: Tensor, y: Tensor) -> float:
    """The definition, a pair at a time."""

    def mean_kernel(a: Tensor, b: Tensor, others_only: bool) -> float:
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (others_only and i == j)]
        kernels = [(a[i].double().dot(b[j].double()).item() / F + 1) ** 3 for i, j in pairs]
        return sum(kernels) / len(kernels)

    return mean_kernel(x, x, True) + mean_kernel(y, y, True) - 2 * mean_kernel(x, y, False)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (12, 7), (7, 12)])
def test_agrees_with_the_definition(n: int, m: int) -> None:
    x, y = normal("x", n), normal("y", m) + 1
    torch.testing.assert_close(kernel_distance(x, y).value, slow_mmd2(x, y), rtol=1e-10, atol=1e-12)


def test_agrees_with_torch_fidelity(features: tuple[Tensor, Tensor], fidelity: dict[str, float]) -> None:
    expected = fidelity["kernel_inception_distance_mean"]
    torch.testing.assert_close(kernel_distance(*features).value, expected, rtol=1e-6, atol=0)


def test_agrees_with_torchmetrics(features: tuple[Tensor, Tensor], torchmetrics_values: dict[str, float]) -> None:
    torch.testing.assert_close(kernel_distance(*features).value, torchmetrics_values["kid"], rtol=1e-6, atol=0)


def test_leaving_one_out_is_computing_without_it() -> None:
    x, y = normal("x", 6).double(), normal("y", 5).double() * 2
    without_x, without_y = leave_one_out(kernel_sums(x, y))
    expected_x = [slow_mmd2(torch.cat([x[:i], x[i + 1 :]]), y) for i in range(len(x))]
    expected_y = [slow_mmd2(x, torch.cat([y[:i], y[i + 1 :]])) for i in range(len(y))]
    torch.testing.assert_close(without_x.tolist(), expected_x, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(without_y.tolist(), expected_y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("shift", "low", "high"), [pytest.param(0.0, 1.0, 1.6, marks=pytest.mark.slow), (0.5, 0.9, 1.15)]
)
def test_standard_error_is_the_spread_of_repeated_draws(shift: float, low: float, high: float) -> None:
    """400 draws: right for sources that differ, on the large side, as said, for equal ones."""
    estimates = [kernel_distance(normal("x", 40, i), normal("y", 60, i) + shift) for i in range(400)]
    spread = torch.tensor([each.value for each in estimates]).std().item()
    mean_square = sum(each.standard_error**2 for each in estimates) / len(estimates)
    assert low < math.sqrt(mean_square) / spread < high


def test_is_unbiased_for_equal_sources() -> None:
    values = torch.tensor([kernel_distance(normal("x", 20, i), normal("y", 20, i)).value for i in range(400)])
    assert values.min() < 0 < values.max()
    assert values.mean().abs() < 3 * values.std() / math.sqrt(len(values))


def test_grows_with_the_shift_beyond_its_error() -> None:
    x = normal("x", 200)
    estimates = [kernel_distance(x, normal("y", 200) + shift) for shift in (0.0, 0.5, 1.0)]
    for smaller, larger in itertools.pairwise(estimates):
        assert larger.value - smaller.value > 3 * larger.standard_error


@pytest.mark.parametrize("block_rows", [1, 7, 64])
def test_block_size_changes_rounding_only(features: tuple[Tensor, Tensor], block_rows: int) -> None:
    torch.testing.assert_close(
        kernel_distance(*features, block_rows=block_rows).value, kernel_distance(*features).value, rtol=1e-9, atol=0
    )


@pytest.mark.parametrize("block_columns", [33, 34, 64])
def test_columns_in_blocks_change_rounding_only(
    features: tuple[Tensor, Tensor], block_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for many images: rows of 33, so that blocks of columns end with the first rows, and beyond."""
    x, y = (each[:150].double() for each in features)
    expected = kernel_sums(x, y)
    monkeypatch.setattr(kernel, "BLOCK_COLUMNS", block_columns)
    actual = kernel_sums(x, y, block_rows=33)
    for name in ("within_x", "within_y", "across_x", "across_y"):
        torch.testing.assert_close(getattr(actual, name), getattr(expected, name), rtol=1e-9, atol=0)


@pytest.mark.parametrize("cores", [1, 3])
def test_number_of_cores_changes_no_bit(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal("x", 500), normal("y", 600)
    expected = kernel_distance(x, y, block_rows=64)
    monkeypatch.setattr(kernel, "available_cores", lambda: cores)
    actual = kernel_distance(x, y, block_rows=64, within_x=sums_within(x.double(), 64))
    assert actual.value == expected.value
    assert actual.standard_error == expected.standard_error


def test_no_tensor_outgrows_a_block(largest_tensor: Callable[[Callable[[], object]], int]) -> None:
    x, y = normal("x", 500), normal("y", 600)
    assert largest_tensor(lambda: kernel_distance(x, y, block_rows=20)) == 20 * 600


def test_constant_features_have_a_value() -> None:
    actual = kernel_distance(torch.ones(5, F), torch.ones(6, F))
    assert (actual.value, actual.standard_error) == (0, 0)
