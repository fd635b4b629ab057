"""The Fréchet distance against closed forms, scipy's matrix square root and torch-fidelity."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics.frechet import (
    frechet_distance,
    frechet_distance_of_moments,
    frechet_estimate,
    frechet_infinity,
    least_for_infinity,
    moments,
)

F = 8


def normal(purpose: str, *shape: int) -> Tensor:
    return draws.normal(0, purpose, 0, shape).double()


def covariance(purpose: str, rank: int = F) -> Tensor:
    factor = normal(purpose, F, rank)
    return factor @ factor.T


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.0, 3.0), (2.5, 0.0), (0.5, -1.0)])
def test_scaled_and_shifted_features_have_a_closed_form(scale: float, shift: float) -> None:
    reference = normal("reference", 100, F)
    mean, cov = moments(reference)
    expected = ((scale - 1) * mean + shift).square().sum() + (scale - 1) ** 2 * cov.trace()
    actual = frechet_distance(reference, scale * reference + shift)
    torch.testing.assert_close(actual, expected.item(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("purposes", [("a", "b"), ("b", "a"), ("a", "c")])
def test_covariances_that_do_not_commute_agree_with_scipy(purposes: tuple[str, str]) -> None:
    (mean_1, cov_1), (mean_2, cov_2) = ((normal(f"mean {name}", F), covariance(name)) for name in purposes)
    assert not torch.allclose(cov_1 @ cov_2, cov_2 @ cov_1)
    root = scipy.linalg.sqrtm((cov_1 @ cov_2).numpy())
    expected = (mean_1 - mean_2).square().sum() + cov_1.trace() + cov_2.trace() - 2 * root.trace().real
    actual = frechet_distance_of_moments(mean_1, cov_1, mean_2, cov_2)
    torch.testing.assert_close(actual, expected.item(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("rank", [1, 3, F])
def test_singular_covariances_keep_their_digits(rank: int) -> None:
    """In an orthonormal basis of its own, each covariance is the diagonal of the closed form."""
    basis = torch.linalg.qr(normal("basis", F, F)).Q
    values_1, values_2 = torch.zeros(2, F, dtype=torch.float64)
    values_1[:rank], values_2[:rank] = normal("values 1", rank).exp(), normal("values 2", rank).exp()
    cov_1, cov_2 = (basis @ values.diag() @ basis.T for values in (values_1, values_2))
    zero = torch.zeros(F, dtype=torch.float64)
    expected = (values_1.sqrt() - values_2.sqrt()).square().sum().item()
    actual = frechet_distance_of_moments(zero, cov_1, zero, cov_2)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rows", [2, F, 100])
def test_identical_sets_are_at_zero_even_with_fewer_rows_than_features(rows: int) -> None:
    features = 10 * normal("identical", rows, 3 * F) + 5
    assert 0 <= frechet_distance(features, features) < 1e-9


def test_constant_features_have_a_distance_too() -> None:
    torch.testing.assert_close(frechet_distance(torch.zeros(5, F), torch.full((7, F), 2.0)), 4.0 * F)


def test_one_feature_is_enough() -> None:
    first, second = normal("one", 50, 1), 3 * normal("two", 60, 1)
    expected = (first.mean() - second.mean()) ** 2 + (first.std() - second.std()) ** 2
    torch.testing.assert_close(frechet_distance(first, second), expected.item(), rtol=1e-10, atol=0)


def test_agrees_with_torch_fidelity(features: tuple[Tensor, Tensor], fidelity: dict[str, float]) -> None:
    torch.testing.assert_close(
        frechet_distance(*features), fidelity["frechet_inception_distance"], rtol=1e-9, atol=1e-12
    )


def test_agrees_with_torchmetrics(features: tuple[Tensor, Tensor], torchmetrics_values: dict[str, float]) -> None:
    torch.testing.assert_close(frechet_distance(*features), torchmetrics_values["fid"], rtol=1e-9, atol=0)


def weighted_distance(reference: Tensor, candidate: Tensor, weights: Tensor) -> float:
    """The distance with a weight for each candidate."""
    mean = (weights[:, None] * candidate).sum(dim=0) / weights.sum()
    offsets = candidate - mean
    cov = (weights[:, None] * offsets).T @ offsets / weights.sum() * len(candidate) / (len(candidate) - 1)
    return frechet_distance_of_moments(*moments(reference), mean, cov)


@pytest.mark.parametrize("rows", [30, F - 2])
def test_influence_is_the_change_with_the_weight_of_an_image(rows: int) -> None:
    """Also where there are fewer images than features, and the covariances are singular."""
    reference, candidate = normal("reference", 40, F), 1.5 * normal("candidate", rows, F) + 1
    influences = frechet_estimate(reference, candidate).influences.candidate
    assert influences is not None
    step = 1e-6
    for i in range(rows):
        more, less = torch.ones(2, rows, dtype=torch.float64)
        more[i], less[i] = 1 + step, 1 - step
        change = weighted_distance(reference, candidate, more) - weighted_distance(reference, candidate, less)
        torch.testing.assert_close(influences[i].item() / rows, change / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 1.0, 1.6), (1.0, 0.9, 1.1)])
def test_standard_error_is_the_spread_of_repeated_draws(shift: float, low: float, high: float) -> None:
    """400 draws: right for sources that differ, on the large side, as said, for equal ones."""

    def draw(purpose: str, index: int, rows: int) -> Tensor:
        return draws.normal(1, purpose, index, (rows, 4))

    estimates = [frechet_estimate(draw("x", i, 100), draw("y", i, 150) + shift) for i in range(400)]
    spread = torch.tensor([each.value for each in estimates]).std().item()
    mean_square = sum(each.standard_error**2 for each in estimates) / len(estimates)
    assert low < math.sqrt(mean_square) / spread < high


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_infinity_is_nearer_to_the_closed_form_than_the_distance(shift: float) -> None:
    """100 draws of 300 candidates; the truth takes the moments of their law in the candidates' place."""
    reference = normal("reference", 1000, F)
    mean, cov = torch.full((F,), shift, dtype=torch.float64), torch.eye(F, dtype=torch.float64)
    expected = frechet_distance_of_moments(*moments(reference), mean, cov)
    torch.testing.assert_close(expected, F * shift**2, rtol=0.1, atol=0.1)  # the closed form, but for the reference
    candidates = [draws.normal(2, "few", i, (300, F)) + shift for i in range(100)]
    plain = torch.tensor([frechet_distance(reference, each) for each in candidates]) - expected
    extrapolated = torch.tensor([frechet_infinity(reference, each, seed=1).value for each in candidates]) - expected
    assert extrapolated.mean().abs() < plain.mean() / 5
    assert extrapolated.mean().abs() < 4 * extrapolated.std() / math.sqrt(len(candidates))
    assert extrapolated.square().mean() < plain.square().mean()


def test_infinity_is_the_line_through_the_distances_of_equal_parts() -> None:
    """Against numpy's least squares; every part must be a split of all candidates, in any order."""
    reference, candidate = normal("reference", 100, 2), normal("candidate", 60, 2)
    sizes, means = [], []
    for parts in range(1, 6):
        order = draws.permutation(7, "evaluate.fd_infinity", parts, 60)
        sizes.append(parts / 60)
        means.append(sum(frechet_distance(reference, candidate[rows]) for rows in order.reshape(parts, -1)) / parts)
    expected = float(np.polyfit(sizes, means, 1)[1])
    torch.testing.assert_close(frechet_infinity(reference, candidate, 7).value, expected, rtol=1e-9, atol=0)


@pytest.mark.slow
def test_infinity_is_as_sure_as_its_standard_error_says() -> None:
    estimates = [frechet_infinity(normal(f"x{i}", 200, 4), normal(f"y{i}", 300, 4) + 1, seed=1) for i in range(200)]
    spread = torch.tensor([each.value for each in estimates]).std().item()
    mean_square = sum(each.standard_error**2 for each in estimates) / len(estimates)
    assert 0.85 < math.sqrt(mean_square) / spread < 1.2


def test_infinity_needs_more_images_than_features_in_the_smallest_part() -> None:
    assert least_for_infinity(128) == 5 * 129
    actual = frechet_infinity(normal("reference", 100, F), normal("candidate", least_for_infinity(F), F), seed=1)
    assert math.isfinite(actual.value)
    assert math.isfinite(actual.standard_error)


def test_constant_features_have_influences_too() -> None:
    actual = frechet_estimate(torch.zeros(5, F), torch.full((7, F), 2.0))
    assert (actual.value, actual.standard_error) == (4.0 * F, 0)
