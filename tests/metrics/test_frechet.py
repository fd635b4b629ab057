"""The Fréchet distance against closed forms, scipy's matrix square root and torch-fidelity."""

import pytest
import scipy.linalg
import torch
from torch import Tensor

from stages.common import draws
from stages.metrics.frechet import frechet_distance, frechet_distance_of_moments, moments

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
    found = frechet_distance(reference, scale * reference + shift)
    torch.testing.assert_close(found, expected.item(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("purposes", [("a", "b"), ("b", "a"), ("a", "c")])
def test_covariances_that_do_not_commute_agree_with_scipy(purposes: tuple[str, str]) -> None:
    (mean_1, cov_1), (mean_2, cov_2) = ((normal(f"mean {name}", F), covariance(name)) for name in purposes)
    assert not torch.allclose(cov_1 @ cov_2, cov_2 @ cov_1)
    root = scipy.linalg.sqrtm((cov_1 @ cov_2).numpy())
    expected = (mean_1 - mean_2).square().sum() + cov_1.trace() + cov_2.trace() - 2 * root.trace().real
    found = frechet_distance_of_moments(mean_1, cov_1, mean_2, cov_2)
    torch.testing.assert_close(found, expected.item(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("rank", [1, 3, F])
def test_singular_covariances_keep_their_digits(rank: int) -> None:
    """In an orthonormal basis of its own, each covariance is the diagonal that the closed form wants."""
    basis = torch.linalg.qr(normal("basis", F, F)).Q
    values_1, values_2 = torch.zeros(2, F, dtype=torch.float64)
    values_1[:rank], values_2[:rank] = normal("values 1", rank).exp(), normal("values 2", rank).exp()
    cov_1, cov_2 = (basis @ values.diag() @ basis.T for values in (values_1, values_2))
    zero = torch.zeros(F, dtype=torch.float64)
    expected = (values_1.sqrt() - values_2.sqrt()).square().sum().item()
    found = frechet_distance_of_moments(zero, cov_1, zero, cov_2)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rows", [2, F, 100])
def test_identical_sets_are_at_zero_even_with_fewer_rows_than_features(rows: int) -> None:
    features = 10 * normal("identical", rows, 3 * F) + 5
    assert 0 <= frechet_distance(features, features) < 1e-9


def test_constant_features_have_a_distance_too() -> None:
    torch.testing.assert_close(frechet_distance(torch.zeros(5, F), torch.full((7, F), 2.0)), 4.0 * F)


def test_one_feature_is_enough() -> None:
    one, two = normal("one", 50, 1), 3 * normal("two", 60, 1)
    expected = (one.mean() - two.mean()) ** 2 + (one.std() - two.std()) ** 2
    torch.testing.assert_close(frechet_distance(one, two), expected.item(), rtol=1e-10, atol=0)


def test_agrees_with_torch_fidelity(features: tuple[Tensor, Tensor], fidelity: dict[str, float]) -> None:
    torch.testing.assert_close(
        frechet_distance(*features), fidelity["frechet_inception_distance"], rtol=1e-9, atol=1e-12
    )
